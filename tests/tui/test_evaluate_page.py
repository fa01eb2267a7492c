"""The evaluation page and one evaluation: runs, suites, scores, worst cases, the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgellm_tui.screens.evaluation import EvaluationScreen
from textual.pilot import Pilot
from textual.widgets import Input

from edgellm.errors import ModelNotFound
from edgellm.events import Failed, Progressed, Started
from tests.tui.conftest import app_of, edge_of, opened, screen_text, settle, shows
from tests.tui.fakes import FakeEdge
from tests.tui.payloads import HOSTILE, is_harmless
from tests.unit.evals.runs import NEW, OLD, finished_run, suite

SIZES = [(80, 24), (140, 40)]


@pytest.fixture(autouse=True)
def _a_quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits a second for what a fake says at once."""
    monkeypatch.setattr("edgellm_tui.screens.evaluate.LOOK_EVERY_S", 0.1)


async def to_page(pilot: Pilot[None], *parts: str) -> None:
    """Open the page."""
    await pilot.press("f19")
    await shows(pilot, "Runs   Suites", *parts)


async def to_run(pilot: Pilot[None]) -> None:
    """Open the highlighted run."""
    await to_page(pilot, NEW[:10])
    await pilot.press("enter")
    await settle(pilot, lambda: isinstance(pilot.app.screen, EvaluationScreen))


def with_run(names: tuple[str, ...] = (NEW, OLD)) -> FakeEdge:
    """EdgeLLM with one finished run."""
    edge = FakeEdge()
    edge.evals.keep(*finished_run(names=names))
    return edge


async def test_nothing_was_evaluated_yet() -> None:
    async with opened() as pilot:
        await to_page(pilot, "Nothing was evaluated yet", "n asks a model")
        await pilot.press("enter", "b", "s", "r", "o", "e")
        await shows(pilot, "Nothing was evaluated yet")


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_shows_what_came_out(size: tuple[int, int]) -> None:
    async with opened(edge=with_run(), size=size) as pilot:
        await to_page(pilot, "done", "● qwen3-4b@ferry", "○ qwen3-4b", "90.0 %", "better", "+50.0 points")
        assert "━●" in screen_text(pilot), "the interval is drawn"


@pytest.mark.parametrize("size", SIZES)
async def test_suites_of_the_project_and_those_that_ship(size: tuple[int, int]) -> None:
    async with opened(size=size) as pilot:
        await to_page(pilot)
        await pilot.press("right")
        await shows(pilot, "this project", "EdgeLLM", "general", "contains", "What ferry asks.", "/evals/ferry.toml")
        await pilot.press("down")
        await shows(pilot, "What general asks.")


async def test_a_run_is_begun_with_an_estimate_and_watched() -> None:
    async with opened() as pilot:
        edge = edge_of(pilot)
        await to_page(pilot)
        await pilot.press("n")
        await shows(pilot, "Ask a model", "Choose what is asked")
        await pilot.press("enter")
        await shows(pilot, "No suite is chosen")
        await pilot.press("space", "down", "space")
        await shows(pilot, "60 questions to the model: 60 answers")
        pilot.app.screen.query_one("#new-on", Input).value = NEW
        pilot.app.screen.query_one("#new-against", Input).value = OLD
        await shows(pilot, "60 questions to both models: 120 answers")
        await pilot.press("enter")
        await shows(pilot, "asks", f"{NEW} on ferry, general")
        (begun,) = edge.evals.begun
        assert [Path(path).stem for path in begun["suites"]] == ["ferry", "general"]
        assert (begun["on"], begun["against"], begun["judge"]) == (NEW, (OLD,), None)
        edge.jobs.say("j1", Started(title=f"Asking {NEW}", total=60, unit="answers"))
        await shows(pilot, "Asking qwen3-4b@ferry")
        edge.jobs.say("j1", Progressed(done=12, total=60, left_s=75))
        await shows(pilot, "12 of 60", "1 m 15 s left")


async def test_what_is_refused_is_said_in_the_form() -> None:
    async with opened() as pilot:
        edge = edge_of(pilot)
        edge.evals.kept.append(suite("polite", 3, score="judged"))
        edge.evals.failure = ModelNotFound("'nowhere' is not installed.")
        await to_page(pilot)
        await pilot.press("n")
        await shows(pilot, "Ask a model")
        await pilot.press("end", "space", "enter")
        await shows(pilot, "One of these suites is judged by a model")
        assert pilot.app.screen.query_one("#new-judge", Input).has_focus
        await pilot.press(*"nowhere", "enter")
        await shows(pilot, "Ask a model", "'nowhere' is not installed.")
        assert pilot.app.screen.query_one("#new-judge", Input).value == "nowhere", "nothing that was typed is lost"


async def test_a_run_is_stopped_and_goes_on() -> None:
    async with opened() as pilot:
        edge = edge_of(pilot)
        await edge.evals.run(["/evals/ferry.toml"], on=NEW)
        await to_page(pilot, "asks")
        await pilot.press("s")
        await shows(pilot, "stopped", "It was stopped.")
        await pilot.press("r")
        await shows(pilot, "asks")
        edge.jobs.say("j1", Failed(error="ModelNotFound", message="It is gone."))
        await shows(pilot, "failed")


@pytest.mark.parametrize("size", SIZES)
async def test_scores_worst_cases_and_people(size: tuple[int, int]) -> None:
    async with opened(edge=with_run(), size=size) as pilot:
        await to_run(pilot)
        await shows(pilot, "Scores   Worst cases   People", "better", "100 %")
        await pilot.press("right")
        await shows(pilot, "1 of 8", "expected text is in it", "has the", "0 %", "100 %")
        await pilot.press("n")
        await shows(pilot, "2 of 8")
        await pilot.press("p", "p")
        await shows(pilot, "8 of 8")
        await pilot.press("right")
        await shows(pilot, "Nobody has judged these answers yet")
        await pilot.press("escape")
        await shows(pilot, "Runs   Suites")


async def test_what_lies_below_is_reached() -> None:
    async with opened(edge=with_run()) as pilot:
        await to_run(pilot)
        await shows(pilot, "Scores")
        await pilot.press("end")
        await shows(pilot, "What was not measured", "Bias: no pair", "41.0 against 44.0 tok/s: 0.932")


async def test_a_run_without_a_baseline() -> None:
    async with opened(edge=with_run((NEW,))) as pilot:
        await to_page(pilot, "nothing")
        await to_run(pilot)
        await pilot.press("right")
        await shows(pilot, "1 of 8", "no expected text")
        await pilot.press("b", "right")
        await shows(pilot, "nothing to compare it with")


async def test_the_report_is_named_and_its_path_copied() -> None:
    async with opened(edge=with_run()) as pilot:
        await to_run(pilot)
        await pilot.press("o")
        await shows(pilot, "/evals/r1/report.html")
        assert pilot.app.clipboard == "/evals/r1/report.html"


async def test_the_palette_and_a_slash_command_lead_here() -> None:
    async with opened(edge=with_run()) as pilot:
        await pilot.press(*"/evaluate", "enter")
        await shows(pilot, "Runs   Suites")
        await pilot.press("escape")
        await settle(pilot, lambda: app_of(pilot).frame.page == "chat")
        await pilot.press("ctrl+p")
        await settle(pilot, lambda: "CommandPalette" in type(pilot.app.screen).__name__)
        await pilot.press(*"is it better", "enter")
        await shows(pilot, "Runs   Suites")


async def test_texts_from_outside_are_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    everything = "".join(HOSTILE)
    edge = FakeEdge()
    edge.evals.kept = [suite("s", description=everything)]
    asked = tuple((payload, payload, payload + "x") for payload in HOSTILE)
    edge.evals.keep(*finished_run(names=(everything, everything + "2"), suites=("s",), asked=asked))
    async with opened(edge=edge, size=(120, 60)) as pilot:
        await to_page(pilot)
        await settle(pilot, lambda: "done" in screen_text(pilot))
        assert is_harmless(screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(pilot.app.screen, EvaluationScreen))
        for _ in range(3):
            await settle(pilot)
            assert is_harmless(screen_text(pilot))
            await pilot.press("right", "n")
        await pilot.press("escape", "right")
        await shows(pilot, "this project")
        assert is_harmless(screen_text(pilot))
