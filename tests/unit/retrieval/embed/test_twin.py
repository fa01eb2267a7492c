"""A twin is made once, proven, and kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgellm.errors import ModelRejected
from edgellm.retrieval.embed import twin
from edgellm.retrieval.embed.parity import Parity
from edgellm.retrieval.embed.source import EmbedderSource, read_source
from edgellm.retrieval.embed.twin import find_or_make_twin
from tests.unit.retrieval.embed.folders import make_folder

PARITY = Parity(texts=60, cosine_min=0.9999, cosine_mean=1.0, texts_cut_alike=58)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbedderSource:
    monkeypatch.setattr(twin, "_proven", lambda _source, _path: PARITY)
    return read_source(make_folder(tmp_path / "tiny"), "tiny")


def test_it_is_made_once(source: EmbedderSource, tmp_path: Path) -> None:
    made: list[str] = []
    path, manifest = find_or_make_twin(source, tmp_path / "kept", lambda: made.append("made"))
    again, same = find_or_make_twin(source, tmp_path / "kept", lambda: made.append("again"))
    assert (again, same, made) == (path, manifest, ["made"])
    assert manifest.identity == source.identity
    assert (manifest.source, manifest.parity) == (str(source.folder.path), PARITY)
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".gguf", ".json"]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["no file", "cut off", "no manifest", "other manifest"])
def test_what_is_not_whole_is_made_again(source: EmbedderSource, tmp_path: Path, damage: str) -> None:
    path, _ = find_or_make_twin(source, tmp_path / "kept")
    match damage:
        case "no file":
            path.unlink()
        case "cut off":
            path.write_bytes(path.read_bytes()[:-1])
        case "no manifest":
            path.with_suffix(".json").unlink()
        case _:
            path.with_suffix(".json").write_text('{"format": 0}')
    made: list[str] = []
    _, manifest = find_or_make_twin(source, tmp_path / "kept", lambda: made.append("made"))
    assert made == ["made"]
    assert manifest.size_bytes == path.stat().st_size


def test_other_settings_need_another_twin(source: EmbedderSource, tmp_path: Path) -> None:
    find_or_make_twin(source, tmp_path / "kept")
    made: list[str] = []
    find_or_make_twin(replace(source, pooling="cls"), tmp_path / "kept", lambda: made.append("made"))
    assert made == ["made"]


def test_one_that_differs_is_not_kept(source: EmbedderSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(_source: EmbedderSource, _path: Path) -> Parity:
        raise ModelRejected("it differs")

    monkeypatch.setattr(twin, "_proven", differs)
    with pytest.raises(ModelRejected, match="it differs"):
        find_or_make_twin(source, tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
