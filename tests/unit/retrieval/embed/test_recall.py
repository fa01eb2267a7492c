"""The embedder of a collection is found again, or its absence is explained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest

from edgellm.errors import ModelNotFound, ModelRejected
from edgellm.retrieval.embed import open as opening
from edgellm.retrieval.embed import recall, twin
from edgellm.retrieval.embed.open import open_embedder
from edgellm.retrieval.embed.recall import open_for
from edgellm.retrieval.values import EmbedderIdentity
from tests.unit.retrieval.embed.fake_runtime import FakeRuntime
from tests.unit.retrieval.embed.folders import changed, make_folder, save, weights
from tests.unit.retrieval.embed.test_twin import PARITY


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(twin, "_proven", lambda _source, _path: PARITY)
    monkeypatch.setattr(opening, "Twin", lambda *_: FakeRuntime())
    return tmp_path / "kept"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "tiny")


def opened(folder: Path, kept: Path) -> EmbedderIdentity:
    with open_embedder(str(folder), kept=kept) as embedder:
        return embedder.identity


def test_a_folder_is_found_by_what_was_made_of_it(folder: Path, kept: Path) -> None:
    identity = opened(folder, kept)
    assert open_for(identity, kept=kept).identity == identity


def test_a_name_of_the_catalogue_is_found(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = opened(folder, kept)
    rmtree(kept)
    monkeypatch.setattr(recall, "found", lambda name: (folder, name))
    assert open_for(identity, kept=kept).identity == identity


def test_what_is_not_here_is_said(folder: Path, kept: Path) -> None:
    identity = opened(folder, kept)
    rmtree(folder)
    with pytest.raises(ModelNotFound, match=r"'tiny' .* is not on this machine"):
        open_for(identity, kept=kept)


def test_other_weights_or_settings_are_refused(folder: Path, kept: Path) -> None:
    identity = opened(folder, kept)
    changed(folder / "sentence_bert_config.json", max_seq_length=16)
    with pytest.raises(ModelRejected, match="max_tokens is 16, not 32"):
        open_for(identity, kept=kept)
    save(folder, weights(seed=2))
    with pytest.raises(ModelRejected, match="sha256 is"):
        open_for(identity, kept=kept)


def test_the_name_alone_does_not_make_another_space(folder: Path, kept: Path) -> None:
    identity = replace(opened(folder, kept), name="other")
    assert open_for(identity, kept=kept).identity == identity


@pytest.mark.parametrize("harm", ["other settings", "no weights"])
def test_a_folder_that_changed_hides_no_other_place(
    folder: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    identity = opened(folder, kept)
    carried = make_folder(tmp_path / "carried")
    if harm == "no weights":
        (folder / "model.safetensors").unlink()
    else:
        changed(folder / "sentence_bert_config.json", max_seq_length=16)
    monkeypatch.setattr(recall, "found", lambda name: (carried, name))
    assert open_for(identity, kept=kept).identity == identity
