"""A tiny model that learnt computes the same as the file that is made of it, and as its base with the adapter on."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten, tree_map

from edgellm.export.adapter_files import GGUF_FILE, write_adapter_files
from edgellm.export.convert.write import convert_folder
from edgellm.export.fuse import fuse
from edgellm.export.learnt import learnt
from edgellm.gguf_header import read_header
from edgellm.paths import private_dir
from edgellm.train.base import open_base
from edgellm.train.decoder import Decoder
from edgellm.train.lora import make_learning
from edgellm.train.ragged import Layout, Rows
from edgellm.train.settings import Method, TrainSettings
from tests.live.logits import Logits, kl, llama_logits
from tests.live.model_folders import CONFIGS, MERGED_TOKENS, make_folder

pytestmark = pytest.mark.live
TOKENS = [(31 * n * n + 7 * n) % (MERGED_TOKENS - 3) + 3 for n in range(40)]


def disturbed(values: mx.array) -> mx.array:
    """As if it had learnt."""
    return values + mx.random.normal(values.shape, scale=0.05)


def logits(model: Decoder) -> Logits:
    rows = Rows(Layout(shared=0, own=(len(TOKENS),)))
    return np.array(model.head(model.run(model.embed(mx.array(TOKENS)), rows)))


@pytest.mark.parametrize("name", ["mistral", "qwen2", "gemma3", "phi3"])
@pytest.mark.parametrize("method", ["lora", "dora", "full"])
def test_the_file_is_what_learnt(tmp_path: Path, name: str, method: Method) -> None:
    base = convert_folder(make_folder(tmp_path / "model", CONFIGS[name]), tmp_path / "base.gguf", "F32").path
    settings = TrainSettings(method=method, rank=2, alpha=4.0)
    model = open_base(base)
    before = logits(model)
    make_learning(model, settings)
    model.update(tree_map(disturbed, model.trainable_parameters()))
    mx.save_safetensors(str(tmp_path / "weights.safetensors"), dict(tree_flatten(model.trainable_parameters())))
    header = read_header(base)
    fuse(header, learnt(tmp_path / "weights.safetensors", header, settings.scale), tmp_path / "taught.gguf", "F32")
    wanted = logits(model)
    assert kl(wanted, llama_logits(tmp_path / "taught.gguf", TOKENS)) < 1e-5
    assert kl(wanted, before) > 1e-2


@pytest.mark.parametrize(
    "name", ["llama", "llama3-rope", "mistral", "qwen2", "qwen3", "gemma3", "phi3", "phi3-partial"]
)
def test_the_adapter_on_its_base_is_what_learnt(tmp_path: Path, name: str) -> None:
    base = convert_folder(make_folder(tmp_path / "model", CONFIGS[name]), tmp_path / "base.gguf", "F32").path
    settings = TrainSettings(rank=2, alpha=4.0)
    model = open_base(base)
    make_learning(model, settings)
    model.update(tree_map(disturbed, model.trainable_parameters()))
    mx.save_safetensors(str(tmp_path / "weights.safetensors"), dict(tree_flatten(model.trainable_parameters())))

    def attached(alpha: float) -> Logits:
        folder = private_dir(tmp_path / f"alpha-{alpha}")
        write_adapter_files(folder, tmp_path / "weights.safetensors", base, name=name, alpha=alpha)
        return llama_logits(base, TOKENS, adapter=folder / GGUF_FILE)

    wanted = logits(model)
    assert kl(wanted, attached(settings.alpha)) < 1e-5
    assert kl(wanted, attached(2 * settings.alpha)) > 1e-2
    assert kl(wanted, llama_logits(base, TOKENS)) > 1e-2
