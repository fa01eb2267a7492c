"""Verdicts are remembered while a file stays the same, and what cannot be remembered refuses nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgellm.hub.inspect import check_header
from edgellm.sdk.inspections import Inspections
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
