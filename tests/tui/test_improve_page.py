"""The improve page: stages as they go, versions with their scores, promote and roll back."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from edgellm_tui.wording import in_app
from textual.pilot import Pilot

from edgellm.events import Failed, Finished, Progressed
from edgellm.sdk.improve_history import VersionState
from edgellm.sdk.improve_plan import Refusal
from tests.tui.conftest import edge_of, opened, screen_text, settle, shows
from tests.tui.fakes import FakeEdge
from tests.tui.fakes.improve import EVIDENCE, FIRST, PLAN, REFUSED, run_at, version
from tests.tui.payloads import HOSTILE, is_harmless

SIZES = [(80, 24), (140, 40)]


@pytest.fixture(autouse=True)
def _a_quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits a second for what a fake says at once."""
    monkeypatch.setattr("edgellm_tui.screens.improve.LOOK_EVERY_S", 0.05)


async def to_improve(pilot: Pilot[None], *parts: str) -> None:
    await pilot.press("f16")
    await shows(pilot, *parts)


async def with_run(stage: str | None) -> FakeEdge:
    """An EdgeLLM whose loop is in a stage."""
    edge = FakeEdge()
    job = await edge.improve.begin("assistant")
    edge.improve.runs[0] = run_at(stage, job.id)
    if stage is None:
        edge.jobs.say(job.id, Finished(result={}))
    return edge


@pytest.mark.parametrize("size", SIZES)
async def test_versions_stand_with_their_scores(size: tuple[int, int]) -> None:
    async with opened(edge=await with_run(None), size=size) as pilot:
        await to_improve(
            pilot, "assistant", "✓ collect  ✓ dataset  – documents  ✓ train  ✓ evaluate  ✓ gate  ✓ propose"
        )
        await shows(pilot, "proposed", "qwen3-4b@assistant-v2", "96 % (90–99)", "28 %", "live")
        await shows(pilot, "passed the gate", "general", "55.0 %", "no difference shown", "better")
        await pilot.press("down")
        await shows(pilot, "Set by hand")


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_is_seen_as_it_goes(size: tuple[int, int]) -> None:
    edge = await with_run("train")
    async with opened(edge=edge, size=size) as pilot:
        edge.jobs.say("j1", Progressed(done=40, total=80, left_s=75))
        await to_improve(pilot, "◐ train  ○ evaluate", "learns", "40 of 80", "1 m 15 s left")
        edge.improve.runs[0] = run_at("evaluate", "j1")
        await shows(pilot, "✓ train  ◐ evaluate", "answers the questions")
        edge.improve.versions = [version(3, "proposed"), *edge.improve.versions]
        edge.improve.runs[0] = run_at(None, "j1")
        edge.jobs.say("j1", Finished(result={}))
        await shows(pilot, "✓ propose", "p lets it go live", "qwen3-4b@assistant-v3")


async def test_the_plan_comes_first_and_enter_begins() -> None:
    async with opened() as pilot:
        edge = edge_of(pilot)
        await to_improve(pilot, "No run yet", "n plans the first one")
        await pilot.press("n")
        await shows(pilot, "The next version of assistant", "30 answers, 30 of them new, 60 earlier ones again")
        await shows(pilot, "a new adapter on qwen3-4b", "held: ", "7 m 30 s", "Enter begins")
        await pilot.press("escape")
        await settle(pilot)
        assert edge.improve.runs == []
        await pilot.press("n")
        await shows(pilot, "Enter begins")
        await pilot.press("enter")
        await shows(pilot, "◐ collect")


async def test_what_speaks_against_a_run_is_said_and_nothing_begins() -> None:
    async with opened() as pilot:
        edge = edge_of(pilot)
        edge.improve.to_plan = REFUSED
        await to_improve(pilot, "No run yet")
        await pilot.press("n")
        await shows(pilot, "Nothing in the queue was accepted", "Correct answers and accept them")
        await pilot.press("enter")
        await settle(pilot)
        assert edge.improve.runs == []
        assert "Enter begins" not in screen_text(pilot)


def test_hints_of_the_loop_name_the_apps_own_keys() -> None:
    assert in_app("Decide: edgellm improve promote 0rxa0nszzdng") == "p on the improve page (Shift+F4) lets it go live."
    assert in_app("Watch it: edgellm jobs follow 0rxa0nszzdng") == "The improve page (Shift+F4) shows it."


async def test_a_version_goes_live_after_a_question() -> None:
    async with opened(edge=await with_run(None)) as pilot:
        edge = edge_of(pilot)
        await to_improve(pilot, "proposed")
        await pilot.press("p")
        await shows(pilot, "Let qwen3-4b@assistant-v2 be assistant?")
        await pilot.press("n")
        await settle(pilot)
        assert edge.improve.promoted == []
        await pilot.press("p")
        await shows(pilot, "be assistant?")
        await pilot.press("y")
        await settle(pilot, lambda: edge.improve.promoted == ["r2"])
        await pilot.press("p")
        await shows(pilot, "Only a version that passed the gate")


async def test_a_version_that_was_live_goes_live_again() -> None:
    edge = await with_run(None)
    edge.improve.versions = [version(2, "earlier"), replace(FIRST, state=VersionState.LIVE)]
    async with opened(edge=edge) as pilot:
        await to_improve(pilot, "earlier")
        await pilot.press("p")
        await shows(pilot, "Let qwen3-4b@assistant-v2 be assistant?")
        await pilot.press("y")
        await settle(pilot, lambda: edge.improve.promoted == ["r2"])
        await pilot.press("down", "p")
        await shows(pilot, "Only a version that passed the gate")


async def test_the_version_that_a_run_made_is_what_the_next_key_means() -> None:
    edge = await with_run("gate")
    edge.improve.versions = [FIRST]
    async with opened(edge=edge) as pilot:
        await to_improve(pilot, "◐ gate")
        edge.improve.versions = [version(2, "proposed", run="j1"), FIRST]
        edge.improve.runs[0] = run_at(None, "j1")
        edge.jobs.say("j1", Finished(result={}))
        await shows(pilot, "passed the gate: p lets it go live", "proposed")
        await pilot.press("p")
        await shows(pilot, "assistant-v2")
        await pilot.press("enter")
        await settle(pilot, lambda: edge.improve.promoted == ["j1"])


async def test_rolling_back_takes_one_key_and_a_question() -> None:
    async with opened(edge=await with_run(None)) as pilot:
        edge = edge_of(pilot)
        await to_improve(pilot, "proposed")
        await pilot.press("u")
        await shows(pilot, "Roll assistant back?", "From qwen3-4b@assistant-v2", "back to qwen3-4b,")
        await pilot.press("enter")
        await settle(pilot, lambda: edge.improve.rolled_back == ["assistant"])
        await shows(pilot, "assistant is qwen3-4b again")


async def test_where_there_is_no_version_before_nothing_is_asked() -> None:
    async with opened(edge=await with_run(None)) as pilot:
        edge_of(pilot).improve.rolled_back.append("assistant")
        await to_improve(pilot, "proposed")
        await pilot.press("u")
        await shows(pilot, "'assistant' stands for 'qwen3-4b', its first version", "nothing to go back")
        assert "Roll assistant back?" not in screen_text(pilot)


async def test_what_is_rolled_back_is_what_was_asked() -> None:
    async with opened(edge=await with_run(None)) as pilot:
        edge = edge_of(pilot)
        await to_improve(pilot, "proposed")
        await pilot.press("u")
        await shows(pilot, "Roll assistant back?")
        edge.promotion.live = "qwen3-4b@assistant-v3"
        await pilot.press("y")
        await shows(pilot, "assistant stands for something else by now")
        assert edge.improve.rolled_back == []


async def test_the_evidence_is_one_key_away() -> None:
    async with opened(edge=await with_run(None), size=(140, 40)) as pilot:
        await to_improve(pilot, "proposed")
        await pilot.press("enter")
        await shows(pilot, "Who founded the museum?", "before  I do not know.", "now     Ottilie Brandt founded it.")
        await shows(pilot, "The same questions were learnt from", "/evals/e2/report.html")


async def test_a_run_that_broke_off_says_where_and_goes_on() -> None:
    edge = await with_run("train")
    edge.jobs.say("j1", Failed(error="TrainingError", message="No memory."))
    async with opened(edge=edge, size=(140, 40)) as pilot:
        await to_improve(pilot, "✗ train", "broke off at train; r goes on there")
        await pilot.press("r")
        await shows(pilot, "◐ train")
        await pilot.press("s")
        await shows(pilot, "stopped at train")
        await pilot.press("s")
        await shows(pilot, "Nothing is running")


async def test_arrows_choose_another_alias() -> None:
    async with opened(edge=await with_run(None)) as pilot:
        edge_of(pilot).improve.names = ["assistant", "helper"]
        await to_improve(pilot, "assistant   helper", "proposed")
        await pilot.press("right")
        await shows(pilot, "No run yet")
        await pilot.press("right")
        await shows(pilot, "proposed")


async def test_without_an_alias_the_page_says_what_one_is() -> None:
    async with opened() as pilot:
        edge_of(pilot).improve.names = []
        await to_improve(pilot, "There is no alias yet", "edgellm aliases set assistant MODEL")
        await pilot.press("n")
        await shows(pilot, "There is no alias to be improved")


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_foreign_text_is_harmless(hostile: str) -> None:
    edge = await with_run(None)
    found = version(2, "proposed", target=f"m@{hostile}"[:60], compared=hostile)
    edge.improve.versions = [found]
    edge.improve.found = [replace(EVIDENCE[0], question=hostile, before=hostile, after=hostile)]
    request = msgspec.structs.replace(PLAN.request, candidate=hostile)
    edge.improve.to_plan = replace(PLAN, request=request, refusals=(Refusal(message=hostile, hint=hostile),))
    async with opened(edge=edge, size=(140, 40)) as pilot:
        await to_improve(pilot, "proposed")
        assert is_harmless(screen_text(pilot))
        await pilot.press("enter")
        await shows(pilot, "The same questions were learnt from")
        assert is_harmless(screen_text(pilot))
        await pilot.press("escape", "n")
        await shows(pilot, "The next version of assistant", "learns from")
        assert is_harmless(screen_text(pilot))
