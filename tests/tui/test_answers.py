"""Answers arrive, wait, stop, fail and are announced as the keys promise."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace

import pytest

from edgellm.errors import ContextOverflow, WorkerDied
from edgellm.types import Delta, Loading, Notice, Prefill, StreamEvent
from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle
from tests.tui.fakes import Script, held, saying


async def test_enter_sends_and_the_answer_appears() -> None:
    async with opened(saying("The answer is **42**.")) as pilot:
        await pilot.press(*"why?", "enter")
        await settle(pilot, lambda: not app_of(pilot).chat.conversation.is_answering)
        shown = screen_text(pilot)
        assert "why?" in shown
        assert "The answer is 42." in shown
        assert "41 tok/s" in shown
        assert "0.21 s first" in shown
        assert app_of(pilot).chat.prompt.text == ""


async def test_loading_reading_and_notices_are_shown() -> None:
    events: list[StreamEvent] = [
        Loading(model="starter", fraction=0.4),
        Prefill(done_tokens=512, total_tokens=2048),
        Notice(text="Three early turns were left out."),
        Delta(text="ok"),
    ]
    async with opened(Script(events, pause_s=0.12)) as pilot:
        await pilot.press("q", "enter")
        await settle(pilot, lambda: "Loading starter" in screen_text(pilot))
        await settle(pilot, lambda: "Reading 2,048 tokens" in screen_text(pilot))
        await settle(pilot, lambda: "Three early turns were left out." in screen_text(pilot))


async def test_escape_stops_and_keeps_the_partial_answer() -> None:
    async with opened(held("one two three four five six seven eight")) as pilot:
        await pilot.press(*"go", "enter")
        chat = app_of(pilot).chat
        await settle(pilot, lambda: "one" in screen_text(pilot))
        await pilot.press("escape")
        await settle(pilot, lambda: not chat.conversation.is_answering)
        assert "one" in chat.conversation.turns[-1].text.source
        assert "eight" not in chat.conversation.turns[-1].text.source
        assert "stopped" in screen_text(pilot)
        assert any(m.finish_reason == "cancelled" for m in edge_of(pilot).sessions.stored.values())


async def test_a_message_sent_while_one_streams_waits_and_says_so() -> None:
    async with opened(script := held("first answer here"), saying("second answer")) as pilot:
        await pilot.press(*"one", "enter")
        conversation = app_of(pilot).chat.conversation
        await settle(pilot, lambda: conversation.is_answering)
        await pilot.press(*"two", "enter")
        await settle(pilot, lambda: conversation.waiting == 1)
        assert "waits for its turn" in screen_text(pilot)
        script.release()
        await settle(pilot, lambda: conversation.waiting == 0 and not conversation.is_answering)
        assert [turn.text.source for turn in conversation.turns] == ["one", "first answer here", "two", "second answer"]
        assert [m.content for m in await edge_of(pilot).sessions.messages("s1")][-1] == "second answer"


async def test_a_queued_message_of_an_abandoned_conversation_is_dropped() -> None:
    async with opened(held("a b c d e f")) as pilot:
        conversation = app_of(pilot).chat.conversation
        await pilot.press("x", "enter")
        await settle(pilot, lambda: conversation.is_answering)
        await pilot.press("y", "enter", "ctrl+n")
        await settle(pilot, lambda: not conversation.is_answering)
        assert conversation.turns == []
        assert len(edge_of(pilot).asked) == 1


async def test_ctrl_c_stops_first_and_quits_when_pressed_twice() -> None:
    async with opened(held("a b c d e f")) as pilot:
        conversation = app_of(pilot).chat.conversation
        await pilot.press("x", "enter")
        await settle(pilot, lambda: conversation.is_answering)
        await pilot.press("ctrl+c")
        await settle(pilot, lambda: not conversation.is_answering)
        assert pilot.app.is_running
        await pilot.press("ctrl+c", "ctrl+c")
        await pilot.pause()
        assert pilot.app._exit


@pytest.mark.parametrize(("number", "exit_code"), [(0, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_what_was_streamed_is_stored_before_the_app_ends(number: int, exit_code: int) -> None:
    async with opened(held("one two three four")) as pilot:
        conversation = app_of(pilot).chat.conversation
        await pilot.press("x", "enter", "y", "enter")
        await settle(pilot, lambda: "one" in screen_text(pilot) and conversation.waiting == 1)
        app_of(pilot).end_by(number)
        app_of(pilot).end_by(signal.SIGHUP)
        while not pilot.app._exit:
            await asyncio.sleep(0.01)
    assert edge_of(pilot).is_closed
    assert pilot.app.return_code == exit_code
    [question, answer] = edge_of(pilot).sessions.stored.values()
    assert (question.content, answer.content[:3], answer.finish_reason) == ("x", "one", "cancelled")


async def test_quitting_while_an_answer_streams_keeps_it() -> None:
    async with opened(held("one two three four")) as pilot:
        await pilot.press("x", "enter")
        await settle(pilot, lambda: "one" in screen_text(pilot))
        await pilot.press("ctrl+q")
    assert edge_of(pilot).is_closed
    assert [message.finish_reason for message in edge_of(pilot).sessions.stored.values()] == [None, "cancelled"]


async def test_an_answer_that_does_not_stop_does_not_keep_the_app_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm_tui.app.ENDING_S", 0.05)
    async with opened(held("one two three four")) as pilot:
        conversation = app_of(pilot).chat.conversation
        monkeypatch.setattr(conversation, "stop", lambda: True)
        await pilot.press("x", "enter")
        await settle(pilot, lambda: "one" in screen_text(pilot))
        app_of(pilot).end_by(signal.SIGTERM)
        while not pilot.app._exit:
            await asyncio.sleep(0.01)
    assert pilot.app.return_code == 143


async def test_a_dead_worker_is_a_notice_and_the_next_message_works() -> None:
    died = Script([Delta(text="half an ")], error=WorkerDied("The worker ended (signal 11)."))
    async with opened(died, saying("alive again")) as pilot:
        await say(pilot, "q")
        shown = screen_text(pilot)
        assert "half an" in shown
        assert "What was written is kept" in " ".join(shown.split())
        await say(pilot, "again")
        assert "alive again" in screen_text(pilot)


async def test_errors_are_told_by_type() -> None:
    failing = Script(error=ContextOverflow("The prompt has 9,000 tokens; the context holds 4,096.", hint="Shorten it."))
    async with opened(failing) as pilot:
        await say(pilot, "q")
        await settle(pilot, lambda: "Too long for the context" in screen_text(pilot))
        assert "9,000" in screen_text(pilot)


@pytest.mark.parametrize(("error", "told"), [(None, "The answer is ready"), (WorkerDied("Gone."), "process ended")])
async def test_an_answer_that_ends_out_of_sight_is_announced(error: WorkerDied | None, told: str) -> None:
    script = replace(held("one two three"), error=error)
    async with opened(script, size=(120, 30)) as pilot:
        await pilot.press("x", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.is_answering)
        await pilot.press("f4")
        script.release()
        await settle(pilot, lambda: told in screen_text(pilot))


async def test_an_answer_in_sight_or_stopped_is_not_announced() -> None:
    async with opened(saying("seen"), script := held("one two three")) as pilot:
        await say(pilot, "q")
        await pilot.press("x", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.is_answering)
        await pilot.press("f4", "ctrl+c")
        await settle(pilot, lambda: not app_of(pilot).chat.conversation.is_answering)
        assert script.gate is not None
        assert [note.message for note in pilot.app._notifications] == []
