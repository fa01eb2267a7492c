"""Verdicts are remembered while a file stays the same, and what cannot be remembered refuses nothing."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgellm.hub.inspect import check_header
from edgellm.paths import home_from
from edgellm.sdk.inspections import Inspections, library_in
from tests.ggufs import GGUF, model_keys, string


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were opened, in order; llama.cpp stays out of it."""
    seen: list[Path] = []

    def inspect(path: Path) -> object:
        seen.append(path)
        return check_header(path)

    monkeypatch.setattr("edgellm.sdk.inspections.inspect", inspect)
    return seen


def test_a_file_is_opened_again_only_when_it_changed(tmp_path: Path, opened: list[Path]) -> None:
    path, memory = GGUF().write(tmp_path / "m.gguf"), tmp_path / "cache" / "inspections.json"
    first = Inspections(memory).of(path)
    assert Inspections(memory).of(path) == first
    assert len(opened) == 1
    os.utime(path, (1, 1))
    Inspections(memory).of(path)
    GGUF(keys=model_keys(general__name=string("Other"))).write(path)
    assert Inspections(memory).of(path).name == "Other"
    assert len(opened) == 3


def test_a_file_that_was_inspected_stays_known_in_the_library(tmp_path: Path, opened: list[Path]) -> None:
    library = library_in(home_from({"EDGELLM_HOME": str(tmp_path / "home")}))
    added = library.add(GGUF().write(tmp_path / "m.gguf"), "other-name")
    assert library.inspect(added.path).architecture == "llama"
    assert opened == [tmp_path / "m.gguf"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"x": 1}', b"\xff"])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, opened: list[Path], content: bytes) -> None:
    path, memory = GGUF().write(tmp_path / "m.gguf"), tmp_path / "inspections.json"
    memory.write_bytes(content)
    assert Inspections(memory).of(path) == Inspections(memory).of(path)
    assert len(opened) == 1


def test_a_memory_that_cannot_be_kept_refuses_no_model(tmp_path: Path, opened: list[Path]) -> None:
    path, memory = GGUF().write(tmp_path / "m.gguf"), tmp_path / "inspections.json"
    memory.mkdir()
    assert Inspections(memory).of(path) == Inspections(memory).of(path)
    assert len(opened) == 2


def test_files_are_opened_at_the_same_time_and_none_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both_open = threading.Barrier(2, timeout=20)
    seen: list[Path] = []

    def inspect(path: Path) -> object:
        seen.append(path)
        both_open.wait()
        return check_header(path)

    monkeypatch.setattr("edgellm.sdk.inspections.inspect", inspect)
    paths = [GGUF().write(tmp_path / name) for name in ("a.gguf", "b.gguf")]
    inspections = Inspections(tmp_path / "inspections.json")
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(inspections.of, paths * 2))
    assert len(found) == 4
    assert sorted(seen) == paths
    assert [Inspections(tmp_path / "inspections.json").of(path) for path in paths] == found[:2]
    assert sorted(seen) == paths
