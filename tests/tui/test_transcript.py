"""The messages on screen: where the reader is, and what drawing costs."""

from __future__ import annotations

import time

import pytest
from edgellm_tui.render.entry import entry_lines
from edgellm_tui.turns import Phase, Turn, asked
from edgellm_tui.widgets.transcript import FRAME_S, LAYOUT_SHARE
from textual.content import Content

from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle
from tests.tui.fakes import held, saying

WATCHED_S = 0.5


async def test_a_long_history_is_windowed_and_grows_upwards() -> None:
    async with opened() as pilot:
        chat = app_of(pilot).chat
        session = await edge_of(pilot).sessions.talk(*(f"message {number}" for number in range(500)))
        chat.open_session(session.id)
        await settle(pilot, lambda: "message 499" in screen_text(pilot))
        assert len(chat.transcript.flow.entries) == 60
        chat.transcript.scroll_home(animate=False)
        await settle(pilot, lambda: len(chat.transcript.flow.entries) == 120)


async def test_the_reader_who_scrolled_up_is_left_alone() -> None:
    long = "\n\n".join(f"line {i}" for i in range(60))
    async with opened(saying(long), script := held(long, pieces=30)) as pilot:
        await say(pilot, "q")
        chat = app_of(pilot).chat
        await pilot.press("x", "enter")
        await settle(pilot, lambda: chat.conversation.turns[-1].phase is Phase.WRITING)
        chat.transcript.scroll_to(y=3, animate=False)
        script.release()
        await settle(pilot, lambda: not chat.conversation.is_answering)
        assert chat.transcript.scroll_offset.y == 3


async def test_a_click_into_the_messages_leaves_the_view_and_the_focus_where_they_are() -> None:
    async with opened(saying("\n\n".join(f"line {i}" for i in range(60)))) as pilot:
        await say(pilot, "q")
        chat = app_of(pilot).chat
        chat.transcript.scroll_to(y=20, animate=False)
        await settle(pilot)
        await pilot.click("#transcript", offset=(10, 5))
        await settle(pilot)
        assert chat.transcript.scroll_offset.y == 20
        assert chat.prompt.has_focus


async def drawings_a_second(lay_out_s: float) -> float:
    """How often a transcript is drawn that changes all the time, when laying out takes this long."""
    async with opened(saying("a")) as pilot:
        await say(pilot, "q")
        transcript, drawn = app_of(pilot).chat.transcript, 0
        lay_out = transcript.flow.lay_out

        def counted(width: int, selected: Turn | None) -> range:
            nonlocal drawn
            drawn += 1
            end = time.thread_time() + lay_out_s
            while time.thread_time() < end:
                pass
            return lay_out(width, selected)

        transcript.flow.lay_out = counted  # type: ignore[method-assign]
        began = time.monotonic()
        while time.monotonic() - began < WATCHED_S:
            transcript.changed()
            await pilot.pause(0.005)
        assert drawn
        return (drawn - 2) / (time.monotonic() - began)


async def test_tokens_that_come_one_by_one_are_drawn_in_groups() -> None:
    assert await drawings_a_second(0) <= 1 / FRAME_S


async def test_a_text_that_is_slow_to_lay_out_is_drawn_less_often() -> None:
    assert await drawings_a_second(0.03) <= LAYOUT_SHARE / 0.03


async def test_after_500_messages_an_answer_costs_its_own_lines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(script := held("word " * 200, pieces=200)) as pilot:
        chat = app_of(pilot).chat
        session = await edge_of(pilot).sessions.talk(*(f"message {number}\n\n- a\n- list\n" for number in range(500)))
        chat.open_session(session.id)
        await settle(pilot, lambda: "message 499" in screen_text(pilot))
        await pilot.press("x", "enter")
        await settle(pilot, lambda: chat.conversation.turns[-1].phase is Phase.WRITING)
        laid_out: set[str] = set()

        def counted(turn: Turn, width: int, *, is_selected: bool) -> list[Content]:
            laid_out.add(f"{turn.role} {chat.conversation.turns.index(turn)}")
            return entry_lines(turn, width, is_selected=is_selected)

        monkeypatch.setattr("edgellm_tui.widgets.flow.entry_lines", counted)
        script.release()
        await settle(pilot, lambda: not chat.conversation.is_answering)
        assert laid_out <= {"user 500", "assistant 501"}
        assert "assistant 501" in laid_out


def test_what_is_said_about_a_question_stands_below_its_text() -> None:
    turn = asked("why?")
    turn.branch = (2, 3)
    assert [line.plain for line in entry_lines(turn, 60)] == ["▎ why?", "  ‹ 2/3 ›", ""]
