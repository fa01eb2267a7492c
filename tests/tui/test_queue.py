"""The review queue: what is shown of an item, and what the single keys do."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from edgellm_tui.render.queue import item_content
from edgellm_tui.screens.merge import MergeDialog
from edgellm_tui.screens.queue import QueuePage
from edgellm_tui.widgets.fields import TextField
from textual.pilot import Pilot

from edgellm.errors import DiskFull
from edgellm.sdk.reviews import Held, Masked
from edgellm.types import Message
from tests.tui.conftest import app_of, edge_of, opened, screen_text, settle
from tests.tui.fakes import FakeEdge
from tests.tui.fakes.reviews import MAIL, FakeReviews, review_item
from tests.tui.payloads import HOSTILE, is_harmless

SIZES = [(80, 24), (200, 60)]


def with_items() -> FakeEdge:
    """EdgeLLM with four open items."""
    edge = FakeEdge()
    edge.reviews.put(
        review_item("i1", f"Longest river? Tell {MAIL}"),
        review_item("i2", "Highest mountain?", "thumbs_down", answer="Zugspitze."),
        review_item("i3", "Deepest lake?", "weak_evidence", error="Nothing came near the question."),
        review_item("i4", "Largest sea?", "regenerated", answer="The Pacific.", other="The Baltic."),
    )
    return edge


async def queue(pilot: Pilot[None], shows: str = "4 open") -> FakeReviews:
    """Open the page and wait for something on it."""
    await pilot.press("f20")
    await settle(pilot, lambda: app_of(pilot).frame.page == "queue" and shows in screen_text(pilot))
    return edge_of(pilot).reviews


@pytest.mark.parametrize("size", SIZES)
async def test_an_item_is_shown_with_what_it_came_from_and_masked(size: tuple[int, int]) -> None:
    async with opened(edge=with_items(), size=size) as pilot:
        await queue(pilot)
        shown = screen_text(pilot)
        for part in ("Longest river? Tell [email]", "Personal data masked: 1 email", "corrected", "starter@rivers"):
            assert part in shown
        for part in ("The Rhine.", "Accepting teaches the correction", "Highest mountain?", "1 rated down"):
            assert part in shown
        assert MAIL not in shown


async def test_the_empty_queue_says_how_items_come_here() -> None:
    async with opened() as pilot:
        await queue(pilot, "Nothing waits for a decision")
        for part in ("rates them", "corrects them", "Nothing is open", "leaves this computer"):
            assert part in screen_text(pilot)
        await pilot.press("a", "r", "e", "m")
        await settle(pilot)
        assert edge_of(pilot).reviews.done == []
        await pilot.press("escape")
        await settle(pilot, lambda: app_of(pilot).frame.page == "chat")


async def test_each_key_decides_and_the_next_item_follows() -> None:
    async with opened(edge=with_items()) as pilot:
        reviews = await queue(pilot)
        await pilot.press("a")
        await settle(pilot, lambda: "3 open" in screen_text(pilot) and "Zugspitze." in screen_text(pilot))
        await pilot.press("r")
        await settle(pilot, lambda: "2 open" in screen_text(pilot) and "Nothing came near" in screen_text(pilot))
        await pilot.press("u")
        await settle(pilot, lambda: "3 open" in screen_text(pilot))
        await pilot.press("u")
        await settle(pilot, lambda: "4 open" in screen_text(pilot))
        await pilot.press("u")
        await settle(pilot, lambda: "nothing to undo" in screen_text(pilot))
        assert reviews.done == [
            ("i1", "accept", None, None), ("i2", "reject"), ("i2", "reopen"), ("i1", "reopen"),
        ]  # fmt: skip


async def test_a_key_that_comes_before_the_next_item_was_seen_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm_tui.screens.first_look.FIRST_LOOK_S", 60.0)
    async with opened(edge=with_items()) as pilot:
        reviews = await queue(pilot)
        await pilot.press("a")
        await settle(pilot, lambda: "3 open" in screen_text(pilot) and "Zugspitze." in screen_text(pilot))
        await pilot.press("a", "r", "a")
        await settle(pilot)
        assert reviews.done == [("i1", "accept", None, None)], "nobody has read the second one yet"
        await pilot.press("u")
        await settle(pilot, lambda: "4 open" in screen_text(pilot))


async def test_an_item_is_edited_in_dialogs() -> None:
    async with opened(edge=with_items()) as pilot:
        reviews = await queue(pilot)
        await pilot.press("e")
        await settle(pilot, lambda: "The question" in screen_text(pilot))
        await pilot.press("ctrl+s")
        await settle(pilot, lambda: "What should be answered" in screen_text(pilot))
        field = pilot.app.screen.query_one(TextField)
        assert field.text == "The Nile."
        field.text = "The Nile, 6,650 km."
        await pilot.press("ctrl+s")
        await settle(pilot, lambda: "3 open" in screen_text(pilot))
        assert reviews.done == [("i1", "accept", None, "The Nile, 6,650 km.")], "what was not changed stays as it was"


async def test_an_answer_is_written_where_nobody_said_one() -> None:
    async with opened(edge=with_items()) as pilot:
        reviews = await queue(pilot)
        await pilot.press("down", "down")
        await settle(pilot, lambda: "Press e to write it" in screen_text(pilot))
        await pilot.press("a", "a")
        await settle(pilot)
        assert app_of(pilot).screen is app_of(pilot).frame
        assert reviews.done == [], "keys that are pressed quickly fall into no dialog"
        await pilot.press("e")
        await settle(pilot, lambda: "The question" in screen_text(pilot))
        await pilot.press("escape")
        await settle(pilot, lambda: app_of(pilot).screen is app_of(pilot).frame)
        await pilot.press("e")
        await settle(pilot, lambda: "The question" in screen_text(pilot))
        await pilot.press("ctrl+s")
        await settle(pilot, lambda: "What should be answered" in screen_text(pilot))
        await pilot.press("ctrl+s")
        await settle(pilot, lambda: "3 open" in screen_text(pilot))
        assert reviews.done == [("i3", "accept", None, "The Rhine.")], "the refusal was right after all"


async def test_what_is_typed_takes_the_place_of_a_poor_answer() -> None:
    async with opened(edge=with_items()) as pilot:
        reviews = await queue(pilot)
        await pilot.press("down", "e")
        await settle(pilot, lambda: "The question" in screen_text(pilot))
        await pilot.press("ctrl+s")
        await settle(pilot, lambda: "Typing replaces it" in screen_text(pilot))
        await pilot.press(*"K2.", "ctrl+s")
        await settle(pilot, lambda: "3 open" in screen_text(pilot))
        assert reviews.done == [("i2", "accept", None, "K2.")]


async def test_similar_items_are_shown_and_merged() -> None:
    edge = with_items()
    edge.reviews.alike = ("i1", "i2")
    async with opened(edge=edge) as pilot:
        await queue(pilot)
        await pilot.press("m")
        await settle(pilot, lambda: isinstance(app_of(pilot).screen, MergeDialog))
        for part in ("2 items ask much the same (by their meaning)", "stays", "Tell [email]", "Highest mountain?"):
            assert part in screen_text(pilot)
        await pilot.press("escape")
        await settle(pilot, lambda: app_of(pilot).screen is app_of(pilot).frame)
        assert edge.reviews.done == []
        await pilot.press("m")
        await settle(pilot, lambda: isinstance(app_of(pilot).screen, MergeDialog))
        await pilot.press("enter")
        await settle(pilot, lambda: "3 open" in screen_text(pilot))
        await pilot.press("u")
        await settle(pilot, lambda: "4 open" in screen_text(pilot))
        assert edge.reviews.done == [("i2", "merge", "i1"), ("i2", "reopen")]


async def test_what_is_answered_otherwise_is_merged_only_by_a_key() -> None:
    edge = with_items()
    edge.reviews.put(review_item("i5", "How long is the Nile?", correction="6,650 km."))
    edge.reviews.alike = ("i1", "i2", "i5")
    async with opened(edge=edge) as pilot:
        await queue(pilot, "5 open")
        await pilot.press("m")
        await settle(pilot, lambda: "3 items ask much the same" in screen_text(pilot))
        assert "answered in other words" in screen_text(pilot)
        await pilot.press("space", "down", "space", "enter")
        await settle(pilot, lambda: "Space takes what is to be merged" in screen_text(pilot))
        assert edge.reviews.done == [], "the first one stays in any case, the second was left out"
        await pilot.press("down", "space", "enter")
        await settle(pilot, lambda: "2 items are one now" in screen_text(pilot))
        assert edge.reviews.done == [("i5", "merge", "i1")]


async def test_nothing_similar_and_no_embedder_are_said() -> None:
    edge = with_items()
    edge.reviews.embedder = ""
    async with opened(edge=edge) as pilot:
        await queue(pilot)
        await pilot.press("m")
        await settle(pilot, lambda: "Nothing else asks much the same" in screen_text(pilot))
        assert "no embedder" in screen_text(pilot)


async def test_the_app_may_be_left_while_similar_items_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_self: FakeReviews, _tenant: str = "") -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(FakeReviews, "clusters", never)
    async with opened(edge=with_items()) as pilot:
        await queue(pilot)
        await pilot.press("m")
        await settle(pilot, lambda: "Looking for what asks much the same" in screen_text(pilot))
        assert app_of(pilot).frame.query_one(QueuePage).text.loading


async def test_one_kind_alone_is_looked_at() -> None:
    async with opened(edge=with_items()) as pilot:
        await queue(pilot)
        await pilot.press("f")
        await settle(pilot, lambda: "Look at which items?" in screen_text(pilot))
        await pilot.press(*"asked", "enter")
        await settle(pilot, lambda: "The answer that it replaced" in screen_text(pilot))
        assert "Deepest lake?" not in screen_text(pilot)
        await pilot.press("a")
        await settle(pilot, lambda: "nothing of this kind" in screen_text(pilot))
        await pilot.press("f")
        await settle(pilot, lambda: "Look at which items?" in screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: "Deepest lake?" in screen_text(pilot))


async def test_what_was_decided_before_can_be_opened_again() -> None:
    edge = with_items()
    says = "The same question was accepted with another answer."
    edge.reviews.held = (Held(id="i1", why="two_answers", others=("i9",), says=says),)
    async with opened(edge=edge, size=(200, 60)) as pilot:
        reviews = await queue(pilot)
        await pilot.press("a")
        await settle(pilot, lambda: "3 open" in screen_text(pilot))
        await pilot.press("f")
        await settle(pilot, lambda: "Look at which items?" in screen_text(pilot))
        await pilot.press(*"accepted", "enter")
        await settle(pilot, lambda: "Looking at what was accepted" in screen_text(pilot))
        await settle(pilot, lambda: "Tell [email]" in screen_text(pilot))
        for part in (f"Held back: {says}", "It was accepted on", "Press u to open it again"):
            assert part in screen_text(pilot)
        await pilot.press("a", "r", "m", "u")
        await settle(pilot, lambda: "nothing of this kind" in screen_text(pilot))
        assert [each[:2] for each in reviews.done] == [("i1", "accept"), ("i1", "reopen")]


async def test_a_decision_that_cannot_be_kept_is_told_and_the_item_stays() -> None:
    edge = with_items()
    async with opened(edge=edge) as pilot:
        await queue(pilot)
        edge.reviews.failure = DiskFull("There is no space left.")
        await pilot.press("a")
        await settle(pilot, lambda: "The disk is full" in screen_text(pilot))
        assert "4 open" in screen_text(pilot)
        await pilot.press("u")
        await settle(pilot, lambda: "nothing to undo" in screen_text(pilot))


async def test_enter_goes_to_the_item_and_back() -> None:
    edge = FakeEdge()
    edge.reviews.put(review_item("i1", answer="\n".join(f"line {number}" for number in range(60))))
    async with opened(edge=edge) as pilot:
        await queue(pilot, "1 open")
        await pilot.press("enter")
        await settle(pilot, lambda: app_of(pilot).focused is app_of(pilot).frame.query_one("#queue-details"))
        await pilot.press("end")
        await settle(pilot, lambda: "seed 7" in screen_text(pilot))
        await pilot.press("escape")
        await settle(pilot, lambda: app_of(pilot).focused is app_of(pilot).frame.query_one(QueuePage).list)
        assert app_of(pilot).frame.page == "queue"


@pytest.mark.parametrize("text", HOSTILE)
async def test_clients_and_models_cannot_steer_the_screen(text: str) -> None:
    edge = FakeEdge()
    evidence = {"citations": [{"file": f"f {text}", "text": text}, "no citation"], text: text}
    known = {"evidence": evidence, "error": text, "settings": {text: text}, "other": text, "answer": text}
    edge.reviews.put(review_item("i1", f"Q {text}", "tool_error", correction=text, tenant=f"key {text}", **known))
    edge.reviews.alike = ("i1",)
    async with opened(edge=edge, size=(200, 60)) as pilot:
        await queue(pilot, "1 open")
        assert is_harmless(screen_text(pilot))
        await pilot.press("m")
        await settle(pilot, lambda: isinstance(app_of(pilot).screen, MergeDialog))
        assert is_harmless(screen_text(pilot))


def test_all_turns_are_there_in_words() -> None:
    item = review_item("i1", "thumbs", "thumbs_up")
    told = item_content(Masked(item=item, found={}), "Client").plain
    assert "key Client" in told
    assert "System prompt\nBe brief." in told
    assert "Accepting teaches this answer." in told
    turns = (Message(role="assistant", content="Earlier."), *item.context.messages)
    longer = replace(item, context=replace(item.context, messages=turns))
    assert "Answered before that\nEarlier." in item_content(Masked(item=longer, found={})).plain
