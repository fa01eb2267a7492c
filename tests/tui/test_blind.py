"""The blind comparison: single keys, no name before the end, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgellm_tui.screens.blind import BlindScreen, NotesForm
from edgellm_tui.screens.evaluation import EvaluationScreen
from textual.pilot import Pilot

from edgellm.errors import DiskFull
from tests.tui.conftest import edge_of, opened, screen_text, settle, shows
from tests.tui.fakes import FakeEdge
from tests.tui.payloads import HOSTILE, is_harmless
from tests.unit.evals.runs import ASKED, NEW, OLD, finished_run

SIZES = [(80, 24), (140, 40)]


async def to_blind(pilot: Pilot[None]) -> None:
    """From the chat to the first pair of the only run."""
    await pilot.press("f19")
    await shows(pilot, NEW[:10], "done")
    await pilot.press("b")
    await settle(pilot, lambda: isinstance(pilot.app.screen, BlindScreen) and "1 of 20" in screen_text(pilot))


def with_run(asked: tuple[tuple[str, str, str], ...] = ASKED) -> FakeEdge:
    """EdgeLLM with one run of twenty pairs."""
    edge = FakeEdge()
    edge.evals.keep(*finished_run(suites=("ferry",), asked=asked))
    return edge


@pytest.mark.parametrize("size", SIZES)
async def test_a_pair_is_shown_without_a_name(size: tuple[int, int]) -> None:
    async with opened(edge=with_run(), size=size) as pilot:
        await to_blind(pilot)
        text = screen_text(pilot)
        question, ours, theirs = next(each for each in ASKED if each[0] in text)
        assert question in text
        assert ours[:20] in text
        assert theirs[:20] in text
        assert "qwen" not in text
        assert "has the expected" not in text, "its score would tell, too"


async def test_each_key_is_a_vote_and_the_end_says_whose_they_were() -> None:
    async with opened(edge=with_run()) as pilot:
        votes = edge_of(pilot).evals.votes
        await to_blind(pilot)
        for number, key in enumerate(["a", "left", "b", "right", "t", "equals_sign", "x", *["a"] * 13], 1):
            await pilot.press(key)
            await settle(pilot, lambda done=number: len(votes) == done)  # type: ignore[misc]
        assert [vote.choice for vote in votes[:7]] == ["left", "left", "right", "right", "tie", "tie", "both bad"]
        await shows(pilot, "every pair is judged", f"{NEW} over {OLD}", "win rate", "20 of 20 pairs judged")
        await pilot.press("u")
        await shows(pilot, "20 of 20   ferry")
        assert len(votes) == 19


async def test_a_key_before_the_next_pair_is_seen_says_nothing() -> None:
    async with opened(edge=with_run()) as pilot:
        await to_blind(pilot)
        shown = pilot.app.screen
        assert isinstance(shown, BlindScreen)
        shown.action_vote("left")
        shown.action_vote("left")
        await settle(pilot, lambda: "2 of 20" in screen_text(pilot))
        assert len(edge_of(pilot).evals.votes) == 1


async def test_a_key_that_comes_before_anybody_has_read_the_next_pair_is_no_vote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgellm_tui.screens.first_look.FIRST_LOOK_S", 60.0)
    async with opened(edge=with_run()) as pilot:
        await to_blind(pilot)
        await pilot.press("a")
        await shows(pilot, "2 of 20")
        await pilot.press("a", "b")
        await settle(pilot)
        assert len(edge_of(pilot).evals.votes) == 1


async def test_undo_shows_the_pair_again() -> None:
    async with opened(edge=with_run()) as pilot:
        await to_blind(pilot)
        before = screen_text(pilot)
        await pilot.press("u")
        await shows(pilot, "There is nothing to undo")
        await pilot.press("b")
        await shows(pilot, "2 of 20")
        await pilot.press("u")
        await shows(pilot, "1 of 20")
        assert edge_of(pilot).evals.votes == []
        line = next(line for line in before.splitlines() if "?" in line and "answer" not in line)
        assert line[:40] in screen_text(pilot), "a notice may lie over the rest"


async def test_notes_are_kept_with_the_vote() -> None:
    async with opened(edge=with_run()) as pilot:
        await to_blind(pilot)
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(pilot.app.screen, NotesForm))
        await shows(pilot, "Accuracy", "is it true")
        await pilot.press(*"wrong price", "down", "down", *"long", "enter")
        await shows(pilot, "with a note")
        await pilot.press("b")
        await shows(pilot, "2 of 20")
        assert "with a note" not in screen_text(pilot)
        (vote,) = edge_of(pilot).evals.votes
        assert vote.notes == {"accuracy": "wrong price", "clarity": "long"}


async def test_a_vote_that_cannot_be_kept_is_said_and_asked_again() -> None:
    async with opened(edge=with_run()) as pilot:
        edge = edge_of(pilot)
        await to_blind(pilot)
        edge.evals.failure = DiskFull("There is no space left for votes.jsonl.")
        await pilot.press("a")
        await shows(pilot, "There is no space left", "1 of 20")
        edge.evals.failure = None
        await pilot.press("a")
        await shows(pilot, "2 of 20")


async def test_equal_answers_everywhere_leave_nothing_to_choose() -> None:
    same = tuple((question, ours, ours) for question, ours, _ in ASKED)
    async with opened(edge=with_run(same)) as pilot:
        await pilot.press("f19")
        await shows(pilot, "done")
        await pilot.press("b")
        await shows(pilot, "There is nothing to choose")
        assert "every pair is judged" not in screen_text(pilot)


async def test_from_a_run_and_back_to_what_people_preferred_and_out_to_a_file(tmp_path: Path) -> None:
    async with opened(edge=with_run()) as pilot:
        await pilot.press("f19")
        await shows(pilot, "done")
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(pilot.app.screen, EvaluationScreen))
        await pilot.press("b")
        await shows(pilot, "1 of 20")
        await pilot.press("a")
        await shows(pilot, "2 of 20")
        await pilot.press("escape")
        await shows(pilot, "win rate", "1 of 20 pairs judged")
        await pilot.press("e")
        await shows(pilot, "Votes as FILE.csv")
        await pilot.press("enter")
        await shows(pilot, "Written to")
        assert (tmp_path / "votes-r1.csv").read_text() == "csv of 1 votes\n"


async def test_answers_are_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    payload = "".join(HOSTILE)
    async with opened(edge=with_run(((payload, payload, payload + "x"),)), size=(140, 60)) as pilot:
        await to_blind(pilot)
        assert is_harmless(screen_text(pilot))


async def test_an_interval_stands_in_the_line_of_its_score() -> None:
    async with opened(edge=with_run()) as pilot:
        await pilot.press("f19")
        await shows(pilot, "done")
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(pilot.app.screen, EvaluationScreen))
        await shows(pilot, "90.0 %")
        lines = screen_text(pilot).splitlines()
        assert all("━" in line for line in lines if "90.0 % (6" in line)
        assert any(line.split() == ["0", "50", "100", "%"] for line in lines)
