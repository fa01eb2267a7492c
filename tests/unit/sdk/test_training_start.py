"""An adapter that goes on learning: whose it is, what it needs, and what the run takes over."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from edgellm.errors import AdapterNotFound, InvalidInput
from edgellm.hub.adapters import AdapterManifest, BaseRecord, Shelf
from edgellm.hub.installed import InstalledModel
from edgellm.paths import Home, private_dir
from edgellm.sdk.training_start import FORM, WEIGHTS, inherited, keep_start, starting_adapter
from edgellm.train.settings import TrainSettings, settings_for

TAUGHT = settings_for("balanced", rank=4, alpha=40.0, layers=3, targets=("attn_q", "attn_v"), method="qlora")
BASE = cast(InstalledModel, SimpleNamespace(name="starter", sha256="ab", path=Path("base.gguf")))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(Home(tmp_path / "data", tmp_path / "cache", tmp_path / "config"))


def admit(shelf: Shelf, name: str = "orrin", *, weights: bytes | None = b"w", **plan: Any) -> None:
    draft = private_dir(shelf.folder / f".{name}.part")
    (draft / "adapter.gguf").write_bytes(name.encode())
    if weights is not None:
        (draft / WEIGHTS).write_bytes(weights)
    shelf.admit(
        draft,
        AdapterManifest(
            name=name, base=BaseRecord(name="starter", sha256="ab"), plan=msgspec.to_builtins(TAUGHT) | plan
        ),
    )


def test_a_run_takes_over_the_form_and_nothing_else(shelf: Shelf) -> None:
    admit(shelf, reference="starter")
    asked = TrainSettings(objective="dpo", learning_rate=1e-5, rank=64, seed=3)
    found = inherited(asked, starting_adapter(shelf, BASE, "orrin"))
    assert {name: getattr(found, name) for name in FORM} == {name: getattr(TAUGHT, name) for name in FORM}
    assert (found.objective, found.learning_rate, found.seed) == ("dpo", 1e-5, 3)


def test_its_weights_are_copied(shelf: Shelf, tmp_path: Path) -> None:
    admit(shelf, weights=b"numbers")
    keep_start(starting_adapter(shelf, BASE, "orrin"), tmp_path / "run" / "start.safetensors")
    assert (tmp_path / "run" / "start.safetensors").read_bytes() == b"numbers"


def test_an_adapter_that_is_not_there_is_named(shelf: Shelf) -> None:
    admit(shelf)
    with pytest.raises(AdapterNotFound, match="orin") as caught:
        starting_adapter(shelf, BASE, "orin")
    assert "orrin" in caught.value.hint


def test_an_adapter_of_another_base_is_refused(shelf: Shelf) -> None:
    admit(shelf)
    other = cast(InstalledModel, SimpleNamespace(name="big", sha256="cd", path=Path("big.gguf")))
    with pytest.raises(InvalidInput, match="made for 'starter', not for 'big'"):
        starting_adapter(shelf, other, "orrin")


def test_an_adapter_that_was_made_elsewhere_is_refused(shelf: Shelf) -> None:
    admit(shelf, "foreign", weights=None)
    with pytest.raises(InvalidInput, match="was not trained here"):
        starting_adapter(shelf, BASE, "foreign")


def test_a_damaged_manifest_is_refused(shelf: Shelf) -> None:
    admit(shelf, rank="wide")
    with pytest.raises(InvalidInput, match="'orrin' is damaged"):
        inherited(TrainSettings(), starting_adapter(shelf, BASE, "orrin"))
