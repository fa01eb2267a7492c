"""Conversations keep apart what belongs to different sessions, branches and moments, however slow the store is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from edgellm_tui.conversation import Conversation
from edgellm_tui.turns import Turn

from edgellm.errors import EdgeLLMError, EngineError, SessionNotFound
from edgellm.types import Delta, FinishReason
from tests.tui.fakes import FakeEdge, Script, held, saying


class Log:
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.ended: list[Turn] = []
        self.refused: list[EdgeLLMError] = []

    def conversation_changed(self, turns_came_or_went: bool) -> None:
        """Nothing to draw."""

    def answer_ended(self, turn: Turn) -> None:
        """Written down."""
        self.ended.append(turn)

    def refuse(self, error: EdgeLLMError) -> None:
        """Written down."""
        self.refused.append(error)


def talk(*scripts: Script) -> tuple[Conversation, FakeEdge, Log]:
    edge, log = FakeEdge(*scripts), Log()
    return Conversation(edge, "m", log), edge, log


def texts(conversation: Conversation) -> list[str]:
    return [turn.text.source for turn in conversation.turns]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0)


@asynccontextmanager
async def delayed(owner: Any, name: str) -> AsyncIterator[asyncio.Event]:
    """A method of a fake that waits for the end of this block; the event says that it was called."""
    method: Callable[..., Awaitable[Any]] = getattr(owner, name)
    called, gate = asyncio.Event(), asyncio.Event()

    async def late(*arguments: Any, **options: Any) -> Any:
        called.set()
        await gate.wait()
        return await method(*arguments, **options)

    setattr(owner, name, late)
    try:
        yield called
    finally:
        setattr(owner, name, method)
        gate.set()


async def test_a_session_made_too_late_is_not_the_next_conversations() -> None:
    conversation, edge, log = talk()
    async with delayed(edge.sessions, "create") as called:
        asking = asyncio.create_task(conversation.ask("first"))
        await called.wait()
        conversation.new()
    await asking
    assert conversation.session is None
    assert not log.ended
    await conversation.ask("second")
    assert [asked["session"] for asked in edge.asked] == ["s1", "s3"]


async def test_an_opened_session_is_not_replaced_by_one_that_is_settling() -> None:
    conversation, edge, _ = talk()
    other = await edge.sessions.create(title="other", model="m")
    async with delayed(edge.sessions, "messages") as called:
        asking = asyncio.create_task(conversation.ask("first"))
        await called.wait()
        opening = asyncio.create_task(conversation.open(other.id))
        await asyncio.sleep(0)
    await asyncio.gather(asking, opening)
    assert conversation.title == "other"
    assert conversation.turns == []


async def test_questions_are_answered_in_the_order_they_were_asked() -> None:
    conversation, edge, _ = talk()
    async with delayed(edge.sessions, "get") as called:
        asking = [asyncio.create_task(conversation.ask("one"))]
        await called.wait()  # the first answer is whole and being settled
        asking += [asyncio.create_task(conversation.ask(text)) for text in ("two", "three")]
        await until(lambda: conversation.waiting == 2)
    await asyncio.gather(*asking)
    assert [asked["prompt"] for asked in edge.asked] == ["one", "two", "three"]
    assert texts(conversation)[::2] == ["one", "two", "three"]


async def test_an_answer_that_was_not_stored_is_not_taken_for_the_one_before() -> None:
    conversation, _, log = talk(saying("old"), Script(error=EngineError("No.")))
    await conversation.ask("q")
    old = conversation.turns[-1].message_id
    await conversation.regenerate(conversation.turns[-1])
    assert conversation.turns[-1].error
    assert old is not None
    assert conversation.turns[-1].message_id is None
    assert log.ended[-1] is conversation.turns[-1]


async def test_a_question_that_was_not_stored_is_not_taken_for_the_one_before() -> None:
    conversation, edge, _ = talk()
    await conversation.ask("q")

    async def refused(*_: object, **__: object) -> None:
        raise EngineError("Not now.")

    edge.chat = refused  # type: ignore[method-assign, assignment]
    await conversation.ask("again")
    assert [turn.message_id is None for turn in conversation.turns] == [False, False, True, True]


async def test_editing_what_is_being_answered_stops_it_and_makes_a_branch() -> None:
    conversation, edge, _ = talk(held("one two three"), saying("better"))
    asking = asyncio.create_task(conversation.ask("q"))
    await until(lambda: bool(conversation.last("assistant") and conversation.turns[-1].text.source))
    await conversation.edit(conversation.turns[0], "q!")
    await asking
    assert texts(conversation) == ["q!", "better"]
    roots = [message.content for message in edge.sessions.stored.values() if message.parent_id is None]
    assert roots == ["q", "q!"]
    assert any(m.finish_reason == FinishReason.CANCELLED for m in edge.sessions.stored.values())


async def test_editing_a_waiting_question_replaces_it() -> None:
    conversation, edge, _ = talk(script := held("one two three"))
    asking = asyncio.create_task(conversation.ask("q"))
    await until(lambda: len(conversation.turns) == 2)
    await conversation.ask("wait")
    await conversation.edit(conversation.turns[-1], "wait!")
    assert conversation.waiting == 1
    script.release()
    await asking
    assert [asked["prompt"] for asked in edge.asked] == ["q", "wait!"]
    assert texts(conversation)[2:] == ["wait!", "You said: wait!"]


async def test_a_stream_that_does_not_end_is_stopped_once() -> None:
    conversation, _, _ = talk(held("one two three"))
    assert not conversation.stop()
    asking = asyncio.create_task(conversation.ask("q"))
    await until(lambda: len(conversation.turns) == 2)
    assert conversation.stop()
    assert not conversation.stop()
    await asking


async def test_opening_the_session_that_is_being_answered_lets_it_go_on() -> None:
    conversation, _, _ = talk(script := held("one two three"))
    asking = asyncio.create_task(conversation.ask("q"))
    await until(lambda: conversation.session is not None)
    assert conversation.session is not None
    await conversation.open(conversation.session.id)
    script.release()
    await asking
    assert texts(conversation) == ["q", "one two three"]


async def test_a_session_that_cannot_be_opened_leaves_the_answer_alone() -> None:
    conversation, _, _ = talk(script := held("one two three"))
    asking = asyncio.create_task(conversation.ask("q"))
    await until(lambda: len(conversation.turns) == 2)
    with pytest.raises(SessionNotFound):
        await conversation.open("gone")
    script.release()
    await asking
    assert texts(conversation) == ["q", "one two three"]


async def test_what_was_changed_elsewhere_is_taken_over() -> None:
    conversation, edge, _ = talk()
    await conversation.ask("q")
    assert conversation.session is not None
    await edge.sessions.rename(conversation.session.id, "New title")
    await conversation.renew(conversation.session.id)
    assert conversation.title == "New title"
    await edge.sessions.delete(conversation.session.id)
    await conversation.renew("another")
    assert conversation.turns
    await conversation.renew(conversation.session.id)
    assert conversation.turns == []
    assert conversation.session is None


async def test_the_name_over_an_answer_is_of_the_model_that_wrote_it() -> None:
    conversation, edge, _ = talk(script := held("one two"), Script([Delta(text="x")]))
    asking = asyncio.create_task(conversation.ask("q"))
    await until(lambda: len(conversation.turns) == 2)
    await conversation.ask("next")
    conversation.model = "other"
    script.release()
    await asking
    assert [turn.model for turn in conversation.turns] == ["", "m", "", "other"]
    assert edge.asked[-1]["model"] == "other"


async def test_the_branches_of_a_long_session_are_asked_for_once() -> None:
    conversation, edge, _ = talk()
    session = await edge.sessions.talk(*(f"message {number}" for number in range(100)))
    first = (await edge.sessions.messages(session.id))[0].id
    edge.sessions.append(session.id, "assistant", "another answer", first)
    await conversation.open(session.id, message_id=(await edge.sessions.messages(session.id))[-1].id)
    assert [turn.branch for turn in conversation.turns] == [(1, 1), (2, 2)]
    assert edge.sessions.forks_asked == 1
