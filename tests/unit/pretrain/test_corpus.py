"""Folders as passages: what is read, what is skipped, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgellm.errors import DataRejected
from edgellm.pretrain import corpus
from edgellm.pretrain.corpus import LEAST_CHARS, LONGEST_CHARS, read_corpus
from tests.unit.pretrain.texts import sentences, text_folder


def test_passages_hold_every_text(tmp_path: Path) -> None:
    folder = text_folder(tmp_path, 60_000)
    found = read_corpus(folder)
    whole = "".join((folder / name).read_text() for name in sorted(os.listdir(folder)))
    assert sorted(" ".join(found.passages).split()) == sorted(whole.split())
    assert (found.files, found.skipped, found.duplicates) == (3, (), 0)


def test_order_has_nothing_to_do_with_names(tmp_path: Path) -> None:
    folder = text_folder(tmp_path, 60_000)
    before = read_corpus(folder).passages
    (folder / "part-0.txt").rename(folder / "zz.md")
    assert read_corpus(folder).passages == before


def test_what_is_no_text_is_skipped_and_counted(tmp_path: Path) -> None:
    folder = text_folder(tmp_path, 30_000)
    (folder / "noise.txt").write_bytes(b"\x00\x01\x02" * 1000)
    (folder / "latin.md").write_bytes("Grüße".encode("latin-1"))
    (folder / "picture.png").write_bytes(b"\x89PNG")
    os.mkfifo(folder / "pipe.txt")
    found = read_corpus(folder)
    assert found.files == 3
    assert [line.partition(":")[0] for line in found.skipped] == ["latin.md", "noise.txt", "pipe.txt"]
    assert "UTF-8" in found.skipped[0]


def test_what_comes_twice_is_learnt_once(tmp_path: Path) -> None:
    folder = text_folder(tmp_path, 30_000)
    once = read_corpus(folder)
    (folder / "copy.txt").write_text((folder / "part-1.txt").read_text())
    found = read_corpus(folder)
    assert found.passages == once.passages
    assert found.duplicates > 0


def test_a_text_without_blank_lines_is_cut(tmp_path: Path) -> None:
    (tmp_path / "endless.txt").write_text("".join(map(str, range(20_000))))
    assert max(map(len, read_corpus(tmp_path).passages)) == LONGEST_CHARS


def test_too_little_text_says_how_much_is_needed(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text(sentences(500))
    (tmp_path / "noise.txt").write_bytes(b"\x00")
    with pytest.raises(DataRejected, match=f"at least {LEAST_CHARS:,} are needed.*skipped.*noise.txt"):
        read_corpus(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRejected, match=r"no \.txt or \.md"):
        read_corpus(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text(sentences(30_000))
    with pytest.raises(DataRejected, match="not a folder"):
        read_corpus(path)


def test_too_much_text_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = text_folder(tmp_path, 30_000)
    monkeypatch.setattr(corpus, "MOST_BYTES", 20_000)
    with pytest.raises(DataRejected, match=r"at most 20\.0 kB are read"):
        read_corpus(folder)
