"""The files of an adapter against each other, for every family, as a training job compares them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten, tree_map

from edgellm.errors import TrainingError
from edgellm.export.adapter_files import GGUF_FILE, MLX_FILE, write_adapter_files
from edgellm.export.convert.write import convert_folder
from edgellm.gguf_header import read_header
from edgellm.sdk import import_gate
from edgellm.train.adapter_check import compare_adapter
from edgellm.train.base import open_base
from edgellm.train.gate import LIMIT_NATS, Gate
from edgellm.train.lora import make_learning
from edgellm.train.settings import TrainSettings, settings_for
from tests.live.model_folders import CONFIGS, make_folder

pytestmark = pytest.mark.live


def learnt(
    place: Path, name: str, settings: TrainSettings, alpha: float | None = None, **config: object
) -> tuple[Path, Path]:
    """A base of a family, and the folder of an adapter with random weights, its GGUF file perhaps of another alpha."""
    base = convert_folder(make_folder(place / name, {**CONFIGS[name], **config}), place / f"{name}.gguf", "F32").path
    model = open_base(base)
    make_learning(model, settings)
    mx.random.seed(3)
    weights = tree_map(lambda x: 0.1 * mx.random.normal(x.shape), model.trainable_parameters())
    mx.save_safetensors(str(place / "weights.safetensors"), dict(tree_flatten(weights)))
    folder = place / "adapter"
    folder.mkdir()
    write_adapter_files(folder, place / "weights.safetensors", base, name="a", alpha=alpha or settings.alpha)
    return base, folder


def compared(base: Path, adapter: Path, settings: TrainSettings, place: Path) -> Gate:
    return compare_adapter(read_header(base), adapter / GGUF_FILE, adapter / MLX_FILE, settings, place)


@pytest.mark.parametrize("layers", [None, 1])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_files_of_every_family_say_the_same(tmp_path: Path, name: str, layers: int | None) -> None:
    settings = settings_for("balanced", rank=4, alpha=8.0, layers=layers)
    base, adapter = learnt(tmp_path, name, settings)
    assert compared(base, adapter, settings, tmp_path).kl < LIMIT_NATS
    assert not [path for path in tmp_path.glob("*.gguf") if path != base]


def test_layers_with_windows_are_compared_from_where_windows_begin_anew(tmp_path: Path) -> None:
    settings = settings_for("balanced", rank=4, alpha=8.0, layers=1)
    base, adapter = learnt(tmp_path, "gemma3", settings, num_hidden_layers=13)
    gate = compared(base, adapter, settings, tmp_path)
    assert (gate.layers, gate.kl < LIMIT_NATS) == (7, True), "6 is the first of a period of six"


def test_another_strength_is_found(tmp_path: Path) -> None:
    settings = settings_for("balanced", rank=4, alpha=8.0)
    base, adapter = learnt(tmp_path, "llama", settings, alpha=16.0)
    assert compared(base, adapter, settings, tmp_path).kl > 100 * LIMIT_NATS


def test_weights_of_another_run_are_refused(tmp_path: Path) -> None:
    settings = settings_for("balanced", rank=4, alpha=8.0)
    base, adapter = learnt(tmp_path, "llama", settings)
    with pytest.raises(TrainingError, match="not what learnt"):
        compared(base, adapter, replace(settings, rank=8), tmp_path)


def test_files_that_differ_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for("balanced", rank=4, alpha=8.0)
    base, adapter = learnt(tmp_path, "llama", settings)
    places = {"folder": tmp_path / "readings", "kernels": tmp_path / "kernels"}
    files = adapter / GGUF_FILE, adapter / MLX_FILE
    assert import_gate.check_adapter(base, *files, settings, **places).kl < LIMIT_NATS
    assert not list((tmp_path / "readings").iterdir())
    monkeypatch.setattr(import_gate, "_ask", lambda *_: Gate(kl=float("nan"), layers=2))
    with pytest.raises(TrainingError, match="from what was learnt"):
        import_gate.check_adapter(base, *files, settings, **places)
