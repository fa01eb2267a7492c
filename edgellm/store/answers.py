"""Answers that a server gave, kept so that feedback can refer to them; each belongs to one tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgellm.errors import InvalidInput, NotFound
from edgellm.store.db import Database, Row
from edgellm.store.records import Rating, from_json, storable, to_json
from edgellm.store.review_capture import Signal, Subject, judged, signalled
from edgellm.store.review_items import Origin, ReviewContext, ReviewReason
from edgellm.types import Message, Sampling

_ANSWER = """SELECT id, tenant, model, messages, text, sampling, rating, correction, created_at, rated_at,
    evidence, settings FROM answers"""

BATCH = 500
"""Rows that one transaction deletes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedAnswer:
    """One answer, complete enough to learn from; without content where the key's log policy keeps none."""

    id: str
    """As the client knows it: `chatcmpl-…`."""
    tenant: str
    """Id of the key that asked."""
    model: str
    messages: tuple[Message, ...] | None = None
    """The conversation that was answered; None: not kept."""
    text: str | None = None
    """What was answered; None: not kept."""
    sampling: Sampling | None = None
    evidence: Mapping[str, Any] | None = None
    """What an answer from documents rests on, as the client saw it; None also: not kept."""
    settings: Mapping[str, Any] | None = None
    """What else was asked for: `constraint`, `tools`, `tool_choice`; None also: not kept."""
    rating: Rating = 0
    """1 for up, -1 for down, 0 for none."""
    correction: str | None = None
    """What the answer should have been."""
    created_at: float = 0.0
    """Seconds since the epoch; set when it is added."""
    rated_at: float | None = None


class AnswerTable:
    """The answers. Another tenant's do not exist: reading and rating them is NotFound, as for an unknown id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, answer: ServedAnswer, signals: Sequence[Signal] = ()) -> None:
        """Keep an answer, and what of it goes into the review queue; its times are those of now.

        Raises: StoreError when there is one with its id.
        """
        texts = tuple(map(storable, (answer.id, answer.tenant, answer.model)))
        messages = None if answer.messages is None else list(answer.messages)
        text = None if answer.text is None else storable(answer.text)
        values: dict[str, object] = {"messages": messages, "sampling": answer.sampling}
        values |= {"evidence": answer.evidence, "settings": answer.settings}
        columns = ("id", "tenant", "model", "text", *values, "created_at")
        sql = f"INSERT INTO answers ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        encoded = (to_json(value, name) for name, value in values.items())
        now = self._database.clock()
        with self._database.write() as execute:
            execute(sql, (*texts, text, *encoded, now))
            for signal in signals:
                signalled(execute, Subject(answer.tenant, Origin("answer", answer.id)), signal, now)

    def unanswered(self, tenant: str, request_id: str, signal: Signal) -> None:
        """Put a request that got no answer, or asked for none, into the review queue; the same one only once."""
        with self._database.write() as execute:
            signalled(execute, Subject(tenant, Origin("request", request_id)), signal, self._database.clock())

    def get(self, answer_id: str, tenant: str) -> ServedAnswer:
        """One answer of a tenant's. Raises: NotFound."""
        values = (storable(answer_id), storable(tenant))
        rows = self._database.read(f"{_ANSWER} WHERE id = ? AND tenant = ?", values)
        if not rows:
            raise NotFound(f"There is no answer {answer_id[:100]!r}.", id=answer_id[:100])
        return _answer(rows[0])

    def rate(self, answer_id: str, tenant: str, rating: Rating = 0, correction: str | None = None) -> ServedAnswer:
        """Replace what was said about an answer: a rating of 1, -1 or 0, and what it should have been.

        Raises: NotFound; InvalidInput, also for a correction where the key's log policy keeps no content.
        """
        if isinstance(rating, bool) or rating not in (-1, 0, 1):
            raise InvalidInput(f"A rating is 1, -1 or 0, not {rating!r}.", field="rating")
        answer = self.get(answer_id, tenant)
        if correction is not None and answer.text is None:
            message = "A correction cannot be kept: this key's log policy keeps no content."
            raise InvalidInput(message, hint="Send a rating alone.", field="correction")
        text, now = None if correction is None else storable(correction), self._database.clock()
        sql = "UPDATE answers SET rating = ?, correction = ?, rated_at = ? WHERE id = ? AND tenant = ?"
        with self._database.write() as execute:
            execute(sql, (rating, text, now, answer.id, answer.tenant))
            judged(execute, _subject(answer), (rating, text), review_context(answer), now)
        return self.get(answer_id, tenant)

    def replaces(self, answer_id: str, tenant: str, other_id: str) -> None:
        """Note that an answer was asked for in place of an earlier one to the same conversation.

        Raises: NotFound; InvalidInput where they answer different conversations, or nothing of them is kept.
        """
        answer, other = self.get(answer_id, tenant), self.get(other_id, tenant)
        if answer.text is None or other.text is None or not answer.messages:
            message = "The two answers cannot be compared: no content of them is kept."
            raise InvalidInput(message, hint="Send a rating alone.", field="replaces")
        if answer.id == other.id or answer.messages != other.messages:
            message = f"{other.id!r} is no earlier answer to the conversation that {answer.id!r} answers."
            raise InvalidInput(message, hint="Name an answer to the same messages.", field="replaces")
        signal = Signal(ReviewReason.REGENERATED, review_context(answer, other=other.text))
        with self._database.write() as execute:
            signalled(execute, _subject(answer), signal, self._database.clock())

    def remove_before(self, at: float) -> int:
        """Delete answers that were given before a time (seconds since the epoch), with what was said about them.

        What was accepted in the review queue stays there; what nobody decided about leaves it.
        Returns: how many there were. The oldest come first, `BATCH` in one transaction: nobody waits long meanwhile.
        """
        sql = """DELETE FROM answers WHERE created_at < ? AND number IN
            (SELECT number FROM answers ORDER BY number LIMIT ?) RETURNING id"""
        with self._database.write() as execute:
            execute(_STALE, (at,))
        removed = 0
        while True:
            with self._database.write() as execute:
                gone = len(list(execute(sql, (at, BATCH))))
            removed += gone
            if gone < BATCH:
                return removed


_STALE = "DELETE FROM reviews WHERE origin_kind = 'request' AND state <> 'accepted' AND created_at < ?"


def review_context(answer: ServedAnswer, *, other: str | None = None, error: str | None = None) -> ReviewContext:
    """What an answer came from, for the review queue."""
    evidence = answer.evidence
    return ReviewContext(
        messages=answer.messages or (),
        answer=answer.text,
        other=other,
        model=answer.model,
        collection=str(evidence["collection"]) if evidence and "collection" in evidence else None,
        sampling=answer.sampling,
        settings=answer.settings,
        evidence=evidence,
        error=error,
    )


def _subject(answer: ServedAnswer) -> Subject:
    return Subject(answer.tenant, Origin("answer", answer.id))


def _answer(row: Row) -> ServedAnswer:
    return ServedAnswer(
        id=row[0],
        tenant=row[1],
        model=row[2],
        messages=from_json(row[3], tuple[Message, ...]),
        text=row[4],
        sampling=from_json(row[5], Sampling),
        rating=row[6],
        correction=row[7],
        created_at=row[8],
        rated_at=row[9],
        evidence=from_json(row[10], dict),
        settings=from_json(row[11], dict),
    )
