"""Keys on a message: edit, answer again, rate, correct, copy."""

from __future__ import annotations

import pytest
from textual.widgets import TextArea

from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle, shows
from tests.tui.fakes import held, saying


async def test_up_in_an_empty_box_edits_the_last_message_as_a_branch() -> None:
    async with opened(saying("A1"), saying("A2")) as pilot:
        await say(pilot, "first wording")
        await pilot.press("up")
        chat = app_of(pilot).chat
        await settle(pilot, lambda: chat.prompt.text == "first wording")
        await pilot.press("!", "enter")
        await settle(pilot, lambda: "A2" in screen_text(pilot))
        assert "‹ 2/2 ›" in screen_text(pilot)
        assert [turn.text.source for turn in chat.conversation.turns] == ["first wording!", "A2"]
        roots = [m for m in edge_of(pilot).sessions.stored.values() if m.parent_id is None]
        assert [m.content for m in roots] == ["first wording", "first wording!"]


async def test_escape_leaves_editing() -> None:
    async with opened(saying("A1")) as pilot:
        await say(pilot, "x")
        await pilot.press("up")
        await settle(pilot, lambda: app_of(pilot).chat.prompt.text == "x")
        await pilot.press("escape")
        await settle(pilot, lambda: app_of(pilot).chat.prompt.text == "")
        await say(pilot, "y")
        assert len(app_of(pilot).chat.conversation.turns) == 4


async def test_regenerate_makes_a_branch_and_arrows_switch() -> None:
    async with opened(saying("old answer"), saying("new answer")) as pilot:
        await say(pilot, "q")
        await pilot.press("f5")
        await settle(pilot, lambda: "new answer" in screen_text(pilot) and "2/2" in screen_text(pilot))
        await pilot.press("tab", "left")
        await settle(pilot, lambda: "old answer" in screen_text(pilot))
        assert "‹ 1/2 ›" in screen_text(pilot)
        await pilot.press("right")
        await settle(pilot, lambda: "new answer" in screen_text(pilot))


async def test_plus_and_minus_rate_and_the_same_key_takes_it_back() -> None:
    async with opened(saying("fine")) as pilot:
        await say(pilot, "q")
        await pilot.press("tab", "plus")
        stored = edge_of(pilot).sessions.stored
        await settle(pilot, lambda: stored["m3"].rating == 1)
        assert "▲ good" in screen_text(pilot)
        await shows(pilot, "Rated good")
        await pilot.press("minus")
        await settle(pilot, lambda: stored["m3"].rating == -1)
        await pilot.press("minus")
        await settle(pilot, lambda: stored["m3"].rating == 0)
        await shows(pilot, "No longer rated")


@pytest.mark.parametrize("key", ["plus", "f", "x"])
async def test_an_answer_on_its_way_cannot_be_judged_and_says_so(key: str) -> None:
    async with opened(held("one two three four")) as pilot:
        await pilot.press("x", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.is_answering)
        await pilot.press("tab", key)
        await settle(pilot, lambda: "not stored yet" in screen_text(pilot))


async def test_f_opens_the_answer_for_correction_and_saves_it() -> None:
    async with opened(saying("Paris is in Italy.")) as pilot:
        await say(pilot, "where is Paris?")
        await pilot.press("tab", "f")
        await settle(pilot, lambda: bool(pilot.app.screen.query("#dialog-text")))
        await pilot.press("ctrl+a", "X", "ctrl+s")
        stored = edge_of(pilot).sessions.stored
        await settle(pilot, lambda: stored["m3"].correction == "XParis is in Italy.")
        assert stored["m3"].content == "Paris is in Italy."
        await settle(pilot, lambda: "✎ corrected" in screen_text(pilot))


async def test_what_is_typed_takes_the_place_of_the_answer() -> None:
    async with opened(saying("Paris is in Italy.")) as pilot:
        await say(pilot, "where is Paris?")
        await pilot.press("tab", "f")
        await settle(pilot, lambda: "Typing replaces it" in screen_text(pilot))
        await pilot.press(*"In France.", "ctrl+s")
        stored = edge_of(pilot).sessions.stored
        await settle(pilot, lambda: stored["m3"].correction == "In France.")


async def test_an_empty_correction_is_none() -> None:
    async with opened(saying("fine")) as pilot:
        await say(pilot, "q")
        await pilot.press("tab", "f")
        await settle(pilot, lambda: bool(pilot.app.screen.query("#dialog-text")))
        pilot.app.screen.query_one("#dialog-text", TextArea).text = " "
        await pilot.press("ctrl+s")
        await settle(pilot, lambda: app_of(pilot).screen is app_of(pilot).frame)
        assert edge_of(pilot).sessions.stored["m3"].correction is None


async def test_reasoning_is_folded_and_one_key_opens_it() -> None:
    async with opened(saying("Done.", reasoning="secret steps")) as pilot:
        await say(pilot, "q")
        assert "Thought" in screen_text(pilot)
        assert "secret steps" not in screen_text(pilot)
        await pilot.press("ctrl+o")
        await settle(pilot, lambda: "secret steps" in screen_text(pilot))


async def test_copy_message_and_code_blocks_only_on_the_users_key() -> None:
    async with opened(saying("a\n\n```py\none\n```\n\n```py\ntwo\n```\n")) as pilot:
        await say(pilot, "q")
        assert pilot.app.clipboard == ""
        await pilot.press("tab", "b")
        await settle(pilot, lambda: pilot.app.clipboard == "one")
        await pilot.press("b")
        await settle(pilot, lambda: pilot.app.clipboard == "two")
        await pilot.press("c")
        await settle(pilot, lambda: pilot.app.clipboard.startswith("a\n"))
