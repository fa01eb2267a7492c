"""The data page with a dataset on it, for the tests of its screens."""

from __future__ import annotations

from pathlib import Path

from edgellm_tui.widgets.fields import LineField
from textual.pilot import Pilot

from tests.tui.conftest import screen_text, settle
from tests.tui.fakes import FakeEdge
from tests.tui.fakes.datasets import chat_line, dropped_line, write_dataset

SIZES = [(80, 24), (200, 60)]


def with_dataset(folder: Path, rows: int = 250) -> FakeEdge:
    """EdgeLLM with one dataset of counted questions."""
    edge = FakeEdge()
    train = [chat_line(f"question {n}", f"answer {n}", line=n) for n in range(1, rows + 1)]
    files = {"train": train, "valid": [chat_line("a held-out question", "its answer")], "dropped": DROPPED}
    edge.datasets.kept["ferries"] = write_dataset(folder, "ferries", files)
    return edge


DROPPED = [dropped_line("short_answer", "'Yes.'", 7), dropped_line("near_duplicate", "nearly the same", 9)]


async def data_page(pilot: Pilot[None], shows: str) -> None:
    """Open the page and wait for something on it."""
    await pilot.press("f8")
    await settle(pilot, lambda: shows in screen_text(pilot))


async def add(pilot: Pilot[None], path: str) -> None:
    """Press `a`, type a path and take it."""
    await pilot.press("a")
    await settle(pilot, lambda: bool(pilot.app.screen.query("#dialog-line")))
    pilot.app.screen.query_one("#dialog-line", LineField).value = path
    await pilot.press("enter")


async def report_of(pilot: Pilot[None], path: str = "faq.jsonl") -> None:
    """Add a file and wait for what was found in it."""
    await data_page(pilot, "Dataset")
    await add(pilot, path)
    await settle(pilot, lambda: "would be kept" in screen_text(pilot))
