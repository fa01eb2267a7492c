"""Building llama-server again after a build was broken off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import build_llama_server


def test_a_broken_off_build_does_not_stand_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "CMakeCache.txt"
    cache.write_text("CMAKE_HOME_DIRECTORY:INTERNAL=/gone")
    seen: list[tuple[str, bool]] = []

    def run(command: Sequence[str]) -> None:
        seen.append((command[1], cache.exists()))

    monkeypatch.setattr(build_llama_server, "_run", run)
    monkeypatch.setattr(build_llama_server, "fetch_source", lambda _version, folder: folder)
    build_llama_server._build("1.0", [], tmp_path)
    assert seen == [("-S", False), ("--build", False)]
