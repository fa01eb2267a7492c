"""Ratings and corrections, kept with everything that later training needs."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from edgellm.errors import InvalidInput
from edgellm.store.db import Database, Execute, Row
from edgellm.store.records import Feedback, Rating, Session, StoredMessage, from_json, storable, to_json
from edgellm.store.review_capture import Subject, judged
from edgellm.store.review_items import Origin, ReviewContext
from edgellm.store.rows import branch_to, get_message, get_session
from edgellm.types import Message, Sampling

_FEEDBACK = "SELECT message_id, rating, correction, context, updated_at FROM feedback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What an answer came from, as it was when it was judged."""

    messages: tuple[Message, ...]
    answer: str
    model: str | None
    sampling: Sampling | None
    evidence: Mapping[str, Any] | None


class Judgement(NamedTuple):
    """What was said about an answer."""

    rating: Rating
    correction: str | None


class FeedbackBook:
    """Judgements of answers. Errors of every method: NotFound (a message), InvalidInput, StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rate(self, message_id: str, rating: Rating) -> None:
        """Rate an answer up (1) or down (-1); 0 takes the rating back."""
        if rating not in (-1, 0, 1):
            raise InvalidInput(f"A rating is 1, -1 or 0, not {rating!r}.", field="rating")
        with self._database.write() as execute:
            answer, context = _judged(execute, message_id)
            put(execute, message_id, Judgement(rating, answer.correction), context, self._database.clock())

    def correct(self, message_id: str, text: str | None) -> None:
        """Keep what the answer should have been; None takes the correction back."""
        correction = None if text is None else storable(text)
        with self._database.write() as execute:
            answer, context = _judged(execute, message_id)
            put(execute, message_id, Judgement(answer.rating, correction), context, self._database.clock())

    def get(self, message_id: str) -> Feedback | None:
        """What was said about an answer; None when nothing was."""
        rows = self._database.read(f"{_FEEDBACK} WHERE message_id = ?", (storable(message_id),))
        return _feedback(rows[0]) if rows else None

    def list(self, limit: int = 1000, offset: int = 0) -> builtins.list[Feedback]:
        """All judged answers, latest judgement first."""
        sql = f"{_FEEDBACK} ORDER BY updated_at DESC, message_id DESC LIMIT ? OFFSET ?"
        return [_feedback(row) for row in self._database.read(sql, (limit, offset))]


def snapshot(session: Session, branch: Sequence[StoredMessage]) -> Context:
    """The context of the last message of `branch`."""
    *before, answer = branch
    return Context(
        messages=prompt_of(session, before),
        answer=answer.content,
        model=answer.model,
        sampling=answer.sampling,
        evidence=answer.evidence,
    )


def prompt_of(session: Session, branch: Sequence[StoredMessage]) -> tuple[Message, ...]:
    """What an answer to the last message of `branch` is written for."""
    system = [Message(role="system", content=session.system)] if session.system else []
    return (*system, *(Message(role=message.role, content=message.content) for message in branch))


def review_context(context: Context) -> ReviewContext:
    """The same for the review queue."""
    evidence = context.evidence
    return ReviewContext(
        messages=context.messages,
        answer=context.answer,
        model=context.model,
        collection=str(evidence["collection"]) if evidence and "collection" in evidence else None,
        sampling=context.sampling,
        evidence=evidence,
    )


def put(execute: Execute, message_id: str, judgement: Judgement, context: Context, now: float) -> None:
    """Write the whole judgement of one answer, and its item of the review queue; one that says nothing is removed."""
    judged(execute, Subject("", Origin("message", message_id)), judgement, review_context(context), now)
    if judgement == Judgement(0, None):
        execute("DELETE FROM feedback WHERE message_id = ?", (message_id,))
        return
    sql = "INSERT OR REPLACE INTO feedback (message_id, rating, correction, context, updated_at) VALUES (?, ?, ?, ?, ?)"
    execute(sql, (message_id, *judgement, to_json(context, "context"), now))


def _judged(execute: Execute, message_id: str) -> tuple[StoredMessage, Context]:
    answer = get_message(execute, message_id)
    if answer.role != "assistant":
        message = f"Message {message_id!r} is from the {answer.role}; only a model's answers are judged."
        raise InvalidInput(message, field="message_id")
    return answer, snapshot(get_session(execute, answer.session_id), branch_to(execute, message_id))


def _feedback(row: Row) -> Feedback:
    context = from_json(row[3], Context)
    assert context is not None  # the column is NOT NULL
    return Feedback(
        message_id=row[0],
        rating=row[1],
        correction=row[2],
        messages=context.messages,
        answer=context.answer,
        model=context.model,
        sampling=context.sampling,
        evidence=context.evidence,
        updated_at=row[4],
    )
