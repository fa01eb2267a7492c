"""What has no adapter form becomes a model: checked before the run, whole or not at all after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from edgellm import disk_space
from edgellm.errors import DiskFull, InvalidInput, TrainingError
from edgellm.events import Progressed
from edgellm.gguf_header import read_header
from edgellm.gguf_tensors import dequantized
from edgellm.hub.inspect import check_header
from edgellm.hub.installed import Library, sha256_of
from edgellm.paths import home_from
from edgellm.sdk.taught_model import Taught, check_room, keep_model
from edgellm.train.settings import TrainSettings
from tests.ggufs import GGUF

NAME = "blk.0.attn_q.weight"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = Library(home_from({"EDGELLM_HOME": str(tmp_path / "home")}), inspector=check_header)
    library.add(GGUF().write(tmp_path / "tiny.gguf"))
    return library


def quiet(_: object) -> None:
    """Lets everything pass."""


def taught(library: Library, place: Path, weights: dict[str, Any]) -> Taught:
    save_file(weights, place / "weights.safetensors")
    return Taught(
        name="mine",
        base=library.find("tiny"),
        dataset="faq",
        settings=TrainSettings(method="full"),
        weights=place / "weights.safetensors",
    )


HALVES = {NAME: np.full((32, 32), 0.5, np.float32)}


def test_the_model_is_in_the_library_and_says_where_it_comes_from(library: Library, tmp_path: Path) -> None:
    events: list[Any] = []
    checked: list[str] = []
    model = keep_model(
        library, taught(library, tmp_path, HALVES), lambda made: checked.append(sha256_of(made)), events.append
    )
    assert checked == [model.sha256]
    assert model == library.find("mine")
    assert model.source == "tiny, taught faq (full)"
    header = read_header(model.path)
    found = {tensor.name: tensor for tensor in header.tensors}
    assert found[NAME].type.name == "F16"
    assert (dequantized(header, found[NAME]) == 0.5).all()
    assert any(isinstance(event, Progressed) for event in events)
    with pytest.raises(InvalidInput, match="'mine' already"):
        check_room(library, "mine", library.find("tiny").path)


def test_weights_that_do_not_fit_leave_nothing(library: Library, tmp_path: Path) -> None:
    before = sorted(path.name for path in library.folder.iterdir())
    with pytest.raises(TrainingError, match="has not"):
        keep_model(library, taught(library, tmp_path, {"other.weight": np.zeros(3, np.float32)}), quiet, quiet)
    assert sorted(path.name for path in library.folder.iterdir()) == before


def test_what_is_read_otherwise_by_llama_cpp_leaves_nothing(library: Library, tmp_path: Path) -> None:
    def differs(_made: Path) -> None:
        raise TrainingError("It differs.")

    before = sorted(path.name for path in library.folder.iterdir())
    with pytest.raises(TrainingError, match="It differs"):
        keep_model(library, taught(library, tmp_path, HALVES), differs, quiet)
    assert sorted(path.name for path in library.folder.iterdir()) == before
    check_room(library, "mine", library.find("tiny").path)


def test_room_is_asked_for_before_the_run(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    base = library.find("tiny").path
    check_room(library, "mine", base)
    with pytest.raises(InvalidInput, match="'starter' already"):
        check_room(library, "starter", base)
    monkeypatch.setattr(disk_space, "free_bytes", lambda _: 100)
    with pytest.raises(DiskFull):
        check_room(library, "mine", base)
