"""Drafting from the data page, and the review of what was drafted."""

from __future__ import annotations

import pytest
from edgellm_tui.render.review import MARKED, marked
from edgellm_tui.screens.review import ReviewScreen
from edgellm_tui.widgets.fields import LineField, TextField
from textual.pilot import Pilot

from edgellm.errors import DiskFull
from tests.tui.conftest import app_of, edge_of, opened, screen_text, settle
from tests.tui.fakes import FakeEdge
from tests.tui.fakes.drafts import draft_set
from tests.tui.payloads import HOSTILE, is_harmless

SIZES = [(80, 24), (200, 60)]


def with_drafts() -> FakeEdge:
    """EdgeLLM with one draft set of three supported pairs."""
    edge = FakeEdge()
    edge.drafts.kept["ferry"] = draft_set("ferry")
    return edge


async def review(pilot: Pilot[None]) -> None:
    """Open the data page and the review of the only drafts."""
    await pilot.press("f8")
    await settle(pilot, lambda: app_of(pilot).frame.page == "data")
    await pilot.press("v")
    await settle(pilot, lambda: "Review which drafts?" in screen_text(pilot))
    await pilot.press("enter")
    await settle(pilot, lambda: isinstance(pilot.app.screen, ReviewScreen) and "Question" in screen_text(pilot))


@pytest.mark.parametrize("size", SIZES)
async def test_a_pair_is_shown_with_its_passage_and_what_the_checks_say(size: tuple[int, int]) -> None:
    async with opened(edge=with_drafts(), size=size) as pilot:
        await review(pilot)
        shown = screen_text(pilot)
        for part in ("3 pending", "1 refused by the checks", "handbook.md:15", "The ferry", "What does a ticket cost?"):
            assert part in shown
        assert "the model says yes" in shown
        assert "A king." not in shown, "refused pairs are not offered"


async def test_each_key_decides_and_shows_the_next_pair() -> None:
    async with opened(edge=with_drafts()) as pilot:
        await review(pilot)
        await pilot.press("a")
        await settle(pilot, lambda: "How many deckhands work?" in screen_text(pilot))
        await pilot.press("r")
        await settle(pilot, lambda: "What is the ferry called?" in screen_text(pilot))
        assert "1 pending  1 accepted  1 rejected" in screen_text(pilot)
        await pilot.press("u")
        await settle(pilot, lambda: "How many deckhands work?" in screen_text(pilot))
        assert [(pair, status) for pair, status, _, _ in edge_of(pilot).drafts.decided] == [
            ("p1", "accepted"), ("p2", "rejected"), ("p2", "pending"),
        ]  # fmt: skip
        await pilot.press("q")
        await settle(pilot, lambda: app_of(pilot).screen is app_of(pilot).frame)


async def test_a_key_that_comes_before_the_next_pair_was_seen_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm_tui.screens.first_look.FIRST_LOOK_S", 60.0)
    async with opened(edge=with_drafts()) as pilot:
        await review(pilot)
        await pilot.press("a")
        await settle(pilot, lambda: "How many deckhands work?" in screen_text(pilot))
        await pilot.press("a", "r")
        await settle(pilot)
        assert [(pair, status) for pair, status, _, _ in edge_of(pilot).drafts.decided] == [("p1", "accepted")]


async def test_a_pair_is_edited_in_dialogs() -> None:
    async with opened(edge=with_drafts()) as pilot:
        await review(pilot)
        await pilot.press("e")
        await settle(pilot, lambda: "The question" in screen_text(pilot))
        pilot.app.screen.query_one(TextField).text = "What is the price of a ticket?"
        await pilot.press("ctrl+s")
        await settle(pilot, lambda: "The answer" in screen_text(pilot))
        await pilot.press("ctrl+s")
        await settle(pilot, lambda: "How many deckhands work?" in screen_text(pilot))
        edited = ("p1", "edited", "What is the price of a ticket?", "A single ticket costs 6 crowns.")
        assert edge_of(pilot).drafts.decided == [edited]


async def test_an_edit_that_is_left_decides_nothing() -> None:
    async with opened(edge=with_drafts()) as pilot:
        await review(pilot)
        await pilot.press("e")
        await settle(pilot, lambda: "The question" in screen_text(pilot))
        await pilot.press("escape")
        await settle(pilot, lambda: isinstance(pilot.app.screen, ReviewScreen))
        assert edge_of(pilot).drafts.decided == []


async def test_the_last_decision_says_what_comes_next() -> None:
    async with opened(edge=with_drafts()) as pilot:
        await review(pilot)
        for asked in ("How many deckhands work?", "What is the ferry called?", "Every pair is decided"):
            await pilot.press("a")
            await settle(pilot, lambda asked=asked: asked in screen_text(pilot))  # type: ignore[misc]
        await pilot.press("a", "r", "e")
        await settle(pilot)
        assert len(edge_of(pilot).drafts.decided) == 3


async def test_a_decision_that_cannot_be_kept_is_told_and_the_pair_stays() -> None:
    edge = with_drafts()
    async with opened(edge=edge) as pilot:
        await review(pilot)
        edge.drafts.failure = DiskFull("There is no space left.")
        await pilot.press("a")
        await settle(pilot, lambda: "The disk is full" in screen_text(pilot))
        assert "3 pending" in screen_text(pilot)
        await pilot.press("u")
        await settle(pilot, lambda: "nothing to undo" in screen_text(pilot))


async def test_a_key_drafts_from_a_folder_with_the_default_model() -> None:
    async with opened() as pilot:
        await pilot.press("f8")
        await settle(pilot, lambda: app_of(pilot).frame.page == "data")
        await pilot.press("v")
        await settle(pilot, lambda: "There are no drafts yet" in screen_text(pilot))
        await pilot.press("f")
        await settle(pilot, lambda: "Draft from a text or a folder" in screen_text(pilot))
        assert "conversations" not in screen_text(pilot), "own chats are no documents"
        pilot.app.screen.query_one("#dialog-line", LineField).value = "/texts/handbook.md"
        await pilot.press("enter")
        await settle(pilot, lambda: "Name of the drafts" in screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: bool(edge_of(pilot).jobs.rows))
        [job] = edge_of(pilot).jobs.rows.values()
        assert (job.kind, job.arguments["files"], job.arguments["name"]) == (
            "draft",
            ["/texts/handbook.md"],
            "handbook",
        )
        assert job.arguments["model"] == app_of(pilot).preferences.default_model


@pytest.mark.parametrize("text", HOSTILE)
async def test_documents_cannot_steer_the_screen(text: str) -> None:
    edge = FakeEdge()
    edge.drafts.kept["ferry"] = draft_set("ferry", [(f"Q {text}", f"A {text}")], f"Text {text}", f"Title {text}")
    async with opened(edge=edge) as pilot:
        await review(pilot)
        assert is_harmless(screen_text(pilot))


def test_the_words_of_the_answer_are_marked() -> None:
    found = marked("A ticket costs 6 crowns. Dogs travel free.", "The ticket costs 6 crowns.")
    words = [found.plain[span.start : span.end] for span in found.spans if span.style == MARKED]
    assert words == ["ticket", "costs", "6", "crowns"]
