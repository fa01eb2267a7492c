"""The monitor page: topics, rates, ratings, latency, drift; a report is made once, and can be left alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edgellm.errors import EngineError
from tests.tui.conftest import app_of, edge_of, opened, screen_text, settle
from tests.tui.payloads import is_harmless
from tests.unit.monitor.samples import nothing

SIZES = [(80, 24), (140, 40)]


@pytest.mark.parametrize("size", SIZES)
async def test_every_list_of_the_report(size: tuple[int, int]) -> None:
    async with opened(size=size) as pilot:
        await pilot.press("f15")
        await settle(pilot, lambda: "ferry, island" in screen_text(pilot))
        assert "answered 91 %" in screen_text(pilot)
        assert "55 %" in screen_text(pilot)
        for said in ("worker died", "2026-11-02", "starter@ferry", "farther"):
            await pilot.press("right")
            await settle(pilot, lambda said=said: said in screen_text(pilot))  # type: ignore[misc]
        await pilot.press("right")
        await settle(pilot, lambda: "ferry, island" in screen_text(pilot))
        assert edge_of(pilot).monitor.asked == [(30, None)]


async def test_progress_is_shown_and_another_report_takes_the_place() -> None:
    async with opened() as pilot:
        monitor = edge_of(pilot).monitor
        monitor.may_end.clear()
        await pilot.press("f15")
        await settle(pilot, lambda: "120 of 328" in screen_text(pilot))
        await pilot.press("d")
        await settle(pilot, lambda: "90 days" in screen_text(pilot) and len(monitor.asked) == 2)
        monitor.may_end.set()
        await settle(pilot, lambda: "ferry, island" in screen_text(pilot))
        assert monitor.asked == [(30, None), (90, None)]
        assert "Another report" not in screen_text(pilot)


async def test_coming_back_shows_the_report_that_was_made() -> None:
    async with opened() as pilot:
        await pilot.press("f15")
        await settle(pilot, lambda: "ferry, island" in screen_text(pilot))
        await pilot.press("escape", "f15")
        await settle(pilot, lambda: "made just now" in screen_text(pilot))
        assert len(edge_of(pilot).monitor.asked) == 1
        await pilot.press("r")
        await settle(pilot, lambda: len(edge_of(pilot).monitor.asked) == 2)


async def test_whose_questions() -> None:
    async with opened() as pilot:
        await edge_of(pilot).keys.create("ana")
        await pilot.press("f15", "w")
        await settle(pilot, lambda: "this computer" in screen_text(pilot))
        await pilot.press(*"ana", "enter")
        await settle(pilot, lambda: edge_of(pilot).monitor.asked[-1] == (30, "id-ana"))
        await settle(pilot, lambda: "30 days   ana" in screen_text(pilot))


@pytest.mark.parametrize(("name", "form"), [("m.html", "html"), ("m.md", "markdown")])
async def test_the_report_is_written_to_a_new_file(name: str, form: str) -> None:
    async with opened() as pilot:
        await pilot.press("f15")
        await settle(pilot, lambda: "ferry, island" in screen_text(pilot))
        await pilot.press("f")
        await settle(pilot, lambda: "Write the report to" in screen_text(pilot))
        await pilot.press(*["backspace"] * 20, *name, "enter")
        await settle(pilot, lambda: Path(name).exists())
        assert Path(name).read_text() == f"{form} of 340"


async def test_details_of_hostile_questions_are_harmless() -> None:
    async with opened(size=(100, 30)) as pilot:
        await pilot.press("f15")
        await settle(pilot, lambda: "ferry, island" in screen_text(pilot))
        await pilot.press("down", "enter")
        await settle(pilot, lambda: "such as" in screen_text(pilot))
        assert "<script>alert(1)</script>" in screen_text(pilot)
        assert is_harmless(screen_text(pilot))


async def test_nothing_was_asked() -> None:
    async with opened() as pilot:
        edge_of(pilot).monitor.found = nothing()
        await pilot.press("f15")
        await settle(pilot, lambda: "Nothing was asked in this time." in screen_text(pilot))
        for _ in range(5):
            await pilot.press("right", "enter")
        await settle(pilot)
        assert app_of(pilot).is_open


async def test_what_goes_wrong_is_said_and_can_be_tried_again() -> None:
    async with opened() as pilot:
        monitor = edge_of(pilot).monitor
        monitor.refusal = EngineError("The embedder ended.")
        await pilot.press("f15")
        await settle(pilot, lambda: "The embedder ended." in screen_text(pilot))
        monitor.refusal = None
        await pilot.press("r")
        await settle(pilot, lambda: "ferry, island" in screen_text(pilot))


async def test_an_impatient_user_breaks_nothing() -> None:
    async with opened() as pilot:
        monitor = edge_of(pilot).monitor
        monitor.may_end.clear()
        await pilot.press("f15", "d", "right", "r", "enter", "d", "left", "f", "escape", "f15", "r")
        monitor.may_end.set()
        await settle(pilot, lambda: "ferry, island" in screen_text(pilot))
        await asyncio.sleep(0)
        assert monitor.asked[-1][0] == 7
