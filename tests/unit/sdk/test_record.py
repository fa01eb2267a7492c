"""An answer is kept while it grows, as one that broke off, and whole at its end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import pytest

from edgellm.engine.outcome import ChoiceEnd, Finished
from edgellm.engine.stream import Inbox, Stream
from edgellm.errors import DiskFull, StoreError, WorkerDied
from edgellm.retrieval.ground.evidence import Grounding
from edgellm.retrieval.ground.passages import Passage
from edgellm.sdk import record as module
from edgellm.sdk.aio import AsyncEdgeLLM
from edgellm.sdk.answer import Answer
from edgellm.sdk.conversation import Ask
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.record import Record
from edgellm.sdk.stream import ReplyStream
from edgellm.settings import Settings
from edgellm.store import BROKEN, Store, StoredMessage, open_store
from edgellm.store.records import AnswerDetails
from edgellm.types import Constraint, Delta, FinishReason, Sampling, Timings, Usage
from tests.unit.retrieval.ground.hits import hit

DONE = Finished(choices=(ChoiceEnd(0, FinishReason.STOP),), usage=Usage(completion_tokens=9), timings=Timings())


class Clock:
    """A clock that is set by hand."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "edgellm.db") as opened:
        yield opened


def asked(store: Store) -> Ask:
    """A question in a session of its own."""
    session = store.sessions.create()
    question = store.sessions.append(session.id, "user", "Go on for long.")
    return Ask((), Sampling(seed=3), session.id, question.id)


def written(*pieces: str) -> Answer:
    answer = Answer("starter")
    for piece in pieces:
        answer.add(Delta(text=piece, reasoning=piece.upper()))
    return answer


def test_a_growing_answer_stands_in_its_session_as_one_that_broke_off(store: Store) -> None:
    ask, clock = asked(store), Clock()
    record = Record(lambda: store, ask, clock)
    assert not record.is_due
    clock.now_s += module.EVERY_S
    assert record.is_due
    record.grow(written("Once "))
    assert not record.is_due, "not again within the second"
    clock.now_s += module.EVERY_S
    record.grow(written("Once ", "upon"))
    assert ask.session_id is not None
    _, kept = store.sessions.path(ask.session_id)
    assert (kept.content, kept.reasoning, kept.finish_reason) == ("Once upon", "ONCE UPON", BROKEN)
    assert (kept.model, kept.sampling) == ("starter", ask.sampling)


def test_the_end_completes_the_same_message(store: Store) -> None:
    ask, clock = asked(store), Clock()
    record = Record(lambda: store, ask, clock)
    clock.now_s += module.EVERY_S
    record.grow(written("Once "))
    whole = written("Once ", "upon a time.")
    whole.end(DONE)
    reply = record.end(whole, None)
    assert ask.session_id is not None
    _, kept = store.sessions.path(ask.session_id)
    assert (kept.id, kept.content, kept.finish_reason) == (reply.message_id, "Once upon a time.", "stop")
    assert kept.usage == DONE.usage
    clock.now_s += module.EVERY_S
    record.grow(written("Once "))  # a thread that comes too late changes nothing
    assert store.sessions.path(ask.session_id)[1] == kept


@pytest.mark.parametrize("is_constrained", [True, False])
def test_a_text_that_has_to_keep_a_form_is_not_rewritten(store: Store, is_constrained: bool) -> None:
    passages = (Passage(number=1, hit=hit("The fares of the ferry are nine and twelve crowns.")),)
    grounding = Grounding(collection="ferry", passages=passages, search_s=0.1)
    constraint = Constraint(kind="json_object") if is_constrained else None
    ask = Ask((), Sampling(), grounding=grounding, constraint=constraint)
    form = '{"fares of the ferry": [1, 2], "moon": ["cheese"]}'
    answer = written(form)
    answer.end(DONE)
    reply = Record(lambda: store, ask).end(answer, None)
    assert reply.evidence is not None
    assert reply.evidence.passages == 1
    assert (reply.text == form) is is_constrained
    assert (reply.evidence.removed == 0) is is_constrained


def test_an_answer_that_breaks_off_says_so(store: Store) -> None:
    ask = asked(store)
    Record(lambda: store, ask).end(written("Once "), WorkerDied("It died."))
    assert ask.session_id is not None
    assert store.sessions.path(ask.session_id)[1].finish_reason == BROKEN


def test_nothing_is_written_before_the_first_word_nor_without_a_session(store: Store) -> None:
    ask, clock = asked(store), Clock()
    in_session, alone = Record(lambda: store, ask, clock), Record(lambda: store, Ask((), Sampling()), clock)
    clock.now_s += 1000
    in_session.grow(written())
    assert ask.session_id is not None
    assert len(store.sessions.path(ask.session_id)) == 1
    assert not alone.is_due


def test_a_store_that_refuses_is_asked_once_more_at_the_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise DiskFull("There is no space left.")

    ask, clock = asked(store), Clock()
    record = Record(lambda: store, ask, clock)
    with monkeypatch.context() as patch:
        patch.setattr(store.sessions, "append", refuse)
        clock.now_s += module.EVERY_S
        record.grow(written("Once "))
        clock.now_s += 1000
        assert not record.is_due
        with pytest.raises(DiskFull):
            record.end(written("Once "), WorkerDied("It died."))
    assert record.end(written("Once "), WorkerDied("It died.")).message_id


def test_without_a_session_a_closed_store_costs_only_the_count() -> None:
    def refuse() -> Store:
        raise StoreError("The store cannot be opened: Permission denied.")

    answer = written("Once ")
    answer.end(DONE)
    reply = Record(refuse, Ask((), Sampling())).end(answer, None)
    assert reply.text == "Once "
    assert reply.notices == ("Its tokens were not counted. The store cannot be opened: Permission denied.",)


def test_a_long_answer_is_written_once_a_second(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four hundred pieces in a hundred seconds are a hundred writes, whatever the tokens are."""
    written_at: list[float] = []
    update, clock, inbox = store.sessions.update_answer, Clock(), Inbox()

    def counted(message_id: str, **details: Unpack[AnswerDetails]) -> StoredMessage:
        written_at.append(clock.now_s)
        return update(message_id, **details)

    monkeypatch.setattr(store.sessions, "update_answer", counted)
    for _ in range(400):
        inbox.put(Delta(text="word "))
    inbox.end(DONE)
    stream = ReplyStream(Stream(inbox, lambda: None), "starter", Record(lambda: store, asked(store), clock), print)
    for _ in stream:
        clock.now_s += 0.25
    assert stream.reply.text == "word " * 400
    assert 95 <= len(written_at) <= 101


async def test_an_event_loop_keeps_a_growing_answer_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.0)
    async with AsyncEdgeLLM("fake:decode_row_s=0.01", home=tmp_path, settings=Settings(context_tokens=1024)) as edge:
        session = await edge.sessions.create()
        stream = await edge.chat("Go on.", session=session.id, sampling=Sampling(seed=0), stream=True)
        heard = ""
        async with stream:
            async for event in stream:
                heard += event.text if isinstance(event, Delta) else ""
                if len(heard) > 20:
                    break
            kept = (await edge.sessions.messages(session.id))[-1]
            assert (kept.content, kept.finish_reason) == (heard, BROKEN)
            await asyncio.sleep(0)
        kept = (await edge.sessions.messages(session.id))[-1]
        assert kept.finish_reason == FinishReason.CANCELLED


KILLED = """
import os, signal, sys
from edgellm.sdk import record
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.types import Constraint, Delta, Sampling

record.EVERY_S = 0.05
with EdgeLLM("fake:decode_row_s=0.01", home=sys.argv[1], settings=Settings(context_tokens=1024)) as edge:
    session = edge.sessions.create()
    heard = ""
    for event in edge.chat("Go on.", session=session.id, sampling=Sampling(seed=0), stream=True):
        heard += event.text if isinstance(event, Delta) else ""
        stored = edge.sessions.messages(session.id)[1:]
        if stored and len(stored[0].content) > 30:
            sys.stdout.write(heard)
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_no_more_than_the_last_moment(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -9, done.stderr
    with EdgeLLM("fake:", home=tmp_path, settings=Settings(context_tokens=1024)) as edge:
        session = edge.sessions.latest()
        assert session is not None
        question, answer = edge.sessions.messages(session.id)
        assert (question.content, answer.finish_reason) == ("Go on.", BROKEN)
        assert len(answer.content) > 30
        assert done.stdout.startswith(answer.content)
        assert edge.chat("And?", session=session.id, sampling=Sampling(temperature=0, max_tokens=4)).text
