"""`edgellm` without a command opens a front end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgellm.cli import app
from tests.unit.cli.bench import Bench


@dataclass
class Entry:
    """An entry point."""

    name: str
    loaded: Any

    def load(self) -> Any:
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


def installed(monkeypatch: pytest.MonkeyPatch, *entries: Entry) -> None:
    def entry_points(group: str) -> tuple[Entry, ...]:
        assert group == "edgellm.frontends"
        return entries

    monkeypatch.setattr(app, "entry_points", entry_points)


def test_the_app_gets_home_and_offline_through_the_environment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGELLM_OFFLINE", "")
    seen = []
    installed(
        monkeypatch, Entry("tui", lambda: seen.append((os.environ["EDGELLM_HOME"], os.environ["EDGELLM_OFFLINE"])))
    )
    bench.is_terminal = True
    assert bench.run("--home", str(tmp_path), "--offline") == 0
    assert seen == [(str(tmp_path), "1")]


def test_the_apps_exit_code_is_the_commands(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, Entry("tui", lambda: 7))
    bench.is_terminal = True
    assert bench.run() == 7


@pytest.mark.parametrize("entries", [(), (Entry("tui", ModuleNotFoundError("no", name="textual")),)])
def test_a_missing_app_is_a_missing_install(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, entries: tuple[Entry, ...]
) -> None:
    installed(monkeypatch, *entries)
    bench.is_terminal = True
    assert bench.run() == 5
    assert "pip install" in bench.err
    assert bench.err.count("\n") == 1
