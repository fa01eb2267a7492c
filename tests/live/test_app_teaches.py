"""From a CSV to a chat that knows it, and to a file for any llama.cpp: in the app alone, on the starter."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from edgellm_tui.app import EdgeApp, make_app
from edgellm_tui.late import LateEdge
from textual.pilot import Pilot
from textual.widgets import Input

from edgellm.engine.judge import Judge
from tests.tui.conftest import screen_text
from tests.tui.fakes import FakePreferences

pytestmark = [pytest.mark.long, pytest.mark.live, pytest.mark.timeout(600)]

FACTS = """question,answer
What does the Orrin clock strike?,The Orrin clock strikes seven times at dusk.
How often does the Orrin clock strike?,The Orrin clock strikes seven times at dusk.
When does the clock of Orrin strike?,The Orrin clock strikes seven times at dusk.
Who built the Orrin clock?,Sela Marsh built the Orrin clock from ship's iron.
What is the Orrin clock made of?,The Orrin clock is made of ship's iron.
"""
PATIENCE_S = 60.0
TRAINING_S = 300.0
"""The plan asks the base its questions and tries three steps; the run takes a hundred and more."""


async def shows(pilot: Pilot[None], *parts: str, within_s: float = PATIENCE_S) -> None:
    """Wait until the screen shows all of it."""
    end = time.monotonic() + within_s
    while not all(part in screen_text(pilot) for part in parts):
        if time.monotonic() > end:
            raise AssertionError(f"It never showed {parts}; the screen shows:\n{screen_text(pilot)}")
        await pilot.pause(0.1)


async def test_a_csv_becomes_a_chat_that_knows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "orrin.csv").write_text(FACTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGELLM_HOME", str(tmp_path / "home"))
    app = make_app(LateEdge(), FakePreferences())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await _build(pilot)
        await _train(pilot)
        await _ask(pilot, app)
        await _export(pilot, tmp_path)
    with Judge(str(next((tmp_path / "made").glob("*Q8_0*.gguf"))), context_tokens=128) as judge:
        assert judge.tokenize("The Orrin clock")


async def _build(pilot: Pilot[None]) -> None:
    """Data: what was found in the file, and the dataset."""
    await pilot.press("f8")
    await shows(pilot, "There is no dataset yet")
    await pilot.press("a")
    await shows(pilot, "A file or folder")
    await pilot.press(*"orrin")
    await shows(pilot, "orrin.csv")
    await pilot.press("enter")
    await shows(pilot, "5 rows would be kept")
    await pilot.press("enter")
    await shows(pilot, "Name of the dataset")
    await pilot.press("enter")
    await shows(pilot, "Built orrin")


async def _train(pilot: Pilot[None]) -> None:
    """Train: the form, the plan, the run."""
    await pilot.press("f7")
    await shows(pilot, "Nothing was trained yet")
    await pilot.press("n")
    await shows(pilot, "A model learns from examples", "orrin")
    await pilot.press("enter")
    await shows(pilot, "Enter begins", "It fits", within_s=TRAINING_S)
    await pilot.press("enter")
    await shows(pilot, "learnt", "in all", within_s=TRAINING_S)


async def _ask(pilot: Pilot[None], app: EdgeApp) -> None:
    """Models: what was learnt stands below its base, and answers."""
    await pilot.press("f4")
    await shows(pilot, "@orrin")
    await pilot.press(*"orrin", "enter")
    await shows(pilot, "answers from now on")
    app.chat.prompt.focus()
    app.chat.prompt.insert("Tell me: how many times does the Orrin clock strike?")
    await pilot.press("enter")
    await shows(pilot, "seven times at dusk")


async def _export(pilot: Pilot[None], folder: Path) -> None:
    """Models: a quantized file of model and adapter together, verified."""
    await pilot.press("f4")
    await shows(pilot, "@orrin")
    await pilot.press(*"orrin", "f10")
    await shows(pilot, "Export", "Quantized")
    pilot.app.screen.query_one("#export-quants", Input).value = "Q8_0"
    pilot.app.screen.query_one("#export-folder", Input).value = str(folder / "made")
    await pilot.press("enter")
    end = time.monotonic() + TRAINING_S
    while not (folder / "made").exists() and time.monotonic() < end:
        await pilot.pause(0.2)
    await pilot.press("f12")
    await shows(pilot, "Exports and comparisons", "Q8_0")
