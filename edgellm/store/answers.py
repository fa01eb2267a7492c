"""Answers that a server gave, kept so that feedback can refer to them; each belongs to one tenant."""

from __future__ import annotations

from dataclasses import dataclass

from edgellm.errors import InvalidInput, NotFound
from edgellm.store.db import Database, Row
from edgellm.store.records import Rating, from_json, storable, to_json
from edgellm.types import Message, Sampling

_ANSWER = """SELECT id, tenant, model, messages, text, sampling, rating, correction, created_at, rated_at
    FROM answers"""

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

    def add(self, answer: ServedAnswer) -> None:
        """Keep an answer; its times are those of now. Raises: StoreError when there is one with its id."""
        messages = None if answer.messages is None else to_json(list(answer.messages), "messages")
        text = None if answer.text is None else storable(answer.text)
        names = tuple(map(storable, (answer.id, answer.tenant, answer.model)))
        sampling = to_json(answer.sampling, "sampling")
        sql = (
            "INSERT INTO answers (id, tenant, model, messages, text, sampling, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        with self._database.write() as execute:
            execute(sql, (*names, messages, text, sampling, self._database.clock()))

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
        text = None if correction is None else storable(correction)
        sql = "UPDATE answers SET rating = ?, correction = ?, rated_at = ? WHERE id = ? AND tenant = ?"
        with self._database.write() as execute:
            execute(sql, (rating, text, self._database.clock(), answer.id, answer.tenant))
        return self.get(answer_id, tenant)

    def remove_before(self, at: float) -> int:
        """Delete answers that were given before a time (seconds since the epoch), with what was said about them.

        Returns: how many there were. The oldest come first, `BATCH` in one transaction: nobody waits long meanwhile.
        """
        sql = """DELETE FROM answers WHERE created_at < ? AND number IN
            (SELECT number FROM answers ORDER BY number LIMIT ?) RETURNING id"""
        removed = 0
        while True:
            with self._database.write() as execute:
                gone = len(list(execute(sql, (at, BATCH))))
            removed += gone
            if gone < BATCH:
                return removed


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
    )
