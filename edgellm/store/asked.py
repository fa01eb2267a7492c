"""What was asked and what came of it, as monitoring reads it: counts over everything, texts of a few."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgellm.store.audit import LOCAL
from edgellm.store.db import Database
from edgellm.store.records import BROKEN, OK, REFUSED

WEAK = "weak"
"""How a request ended for which the documents held no evidence."""
MOST_LATENCIES = 200_000
"""Latest requests whose times are read."""
_AT_ONCE = 500
_DAY = "date({}, 'unixepoch', 'localtime')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Whose questions of which time."""

    since: float
    """Seconds since the epoch."""
    until: float
    tenant: str | None = None
    """Id of a key; empty: this machine's own chats and programs; None: all together."""

    @property
    def has_chats(self) -> bool:
        """Whether this machine's own chats are among them."""
        return not self.tenant

    @property
    def client(self) -> str | None:
        """The tenant as the server's tables name it."""
        return LOCAL if self.tenant == "" else self.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question with its text, and what came of it."""

    text: str
    conversation: str
    """The same for questions of one conversation."""
    model: str
    """Who answered, with adapter and collection; empty when nobody did."""
    at: float
    """Seconds since the epoch."""
    is_weak: bool
    rating: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Some of the questions of a time."""

    asked: int
    without_text: int
    """Of these, how many were kept without their text."""
    drawn: tuple[Question, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """So many requests of one day ended in one way."""

    day: str
    """YYYY-MM-DD, local time."""
    way: str
    """`OK`, `WEAK`, `BROKEN`, `REFUSED`, `cancelled`, `deadline`, or the name of an error's class."""
    count: int
    """Those of a day and a way are to be added up; one that takes some away is below 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """How long one answer took, in seconds; None: not measured."""

    model: str
    first_s: float | None
    whole_s: float | None


class AskedLog:
    """Reads only, and never who asked: sessions are known by their id, clients by their key's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def questions(self, span: Span, most: int, seed: int) -> Questions:
        """The questions of a time, texts of at most `most` of them, drawn by `seed`."""
        chats = self._numbers("messages", span, "role = 'user'") if span.has_chats else []
        kept = self._numbers("answers", span, "messages IS NOT NULL")
        bare = self._count("answers", span, "messages IS NULL")
        places = [*((True, number) for number in chats), *((False, number) for number in kept)]
        drawn = sorted(random.Random(seed).sample(places, most) if len(places) > most else places)
        found = [
            *self._chats([number for is_chat, number in drawn if is_chat]),
            *self._answers([number for is_chat, number in drawn if not is_chat]),
        ]
        return Questions(
            asked=len(places) + bare,
            without_text=bare,
            drawn=tuple(sorted((each for each in found if each.text.strip()), key=lambda each: each.at)),
        )

    def ended(self, span: Span) -> list[Ended]:
        """How requests ended, by day. What ended within a time, not what began in it."""
        return [*(self._chats_ended(span) if span.has_chats else ()), *self._requests_ended(span), *self._weak(span)]

    def signals(self, span: Span) -> dict[str, int]:
        """What came into the review queue, by reason; whatever was decided about it since."""
        sql = """SELECT reason, count(*) FROM reviews WHERE created_at >= ? AND created_at < ?
            AND (? IS NULL OR tenant = ?) GROUP BY 1 ORDER BY 1"""
        return dict(self._database.read(sql, (span.since, span.until, span.tenant, span.tenant)))

    def ratings(self, span: Span) -> dict[str, tuple[int, int, int]]:
        """By the day on which they were given: answers rated up, rated down, corrected."""
        sources = [("answers", "rated_at", "tenant")]
        if span.has_chats:
            sources.append(("feedback", "updated_at", "?3"))
        found: dict[str, tuple[int, int, int]] = {}
        for table, at, tenant in sources:
            sql = f"""SELECT {_DAY.format(at)}, sum(rating = 1), sum(rating = -1), sum(correction IS NOT NULL)
                FROM {table} WHERE {at} >= ?1 AND {at} < ?2 AND (?3 IS NULL OR {tenant} = ?3) GROUP BY 1"""
            for day, *counts in self._database.read(sql, (span.since, span.until, span.client)):
                before = found.get(day, (0, 0, 0))
                found[day] = (before[0] + counts[0], before[1] + counts[1], before[2] + counts[2])
        return found

    def from_documents(self, span: Span) -> int:
        """How many answers were to come from documents."""
        chats = self._count("messages", span, "role = 'assistant' AND evidence IS NOT NULL") if span.has_chats else 0
        return chats + self._count("answers", span, "model LIKE '%+%'")

    def times(self, span: Span) -> list[Timed]:
        """How long answers took, the latest first, at most `MOST_LATENCIES`.

        The whole time of a chat of this machine follows from its first token and its speed.
        """
        sql = f"""SELECT model || coalesce('@' || adapter, ''),
            coalesce(ttft_s, timings ->> 'ttft_s'),
            coalesce(seconds, CASE WHEN (timings ->> 'decode_tokens_per_s') > 0 THEN
                (timings ->> 'ttft_s') + (completion_tokens - 1) / (timings ->> 'decode_tokens_per_s') END)
            FROM usage WHERE at >= ?1 AND at < ?2 AND status = '{OK}' AND completion_tokens > 0
            AND (?3 IS NULL OR tenant = ?3 OR ?3 = '{LOCAL}' AND tenant = '')
            ORDER BY number DESC LIMIT {MOST_LATENCIES}"""
        rows = self._database.read(sql, (span.since, span.until, span.client))
        return [Timed(model=row[0], first_s=row[1], whole_s=row[2]) for row in rows]

    def _numbers(self, table: str, span: Span, which: str) -> list[int]:
        return [row[0] for row in self._rows("number", table, span, which)]

    def _count(self, table: str, span: Span, which: str) -> int:
        count: int = self._rows("count(*)", table, span, which)[0][0]
        return count

    def _rows(self, what: str, table: str, span: Span, which: str) -> list[tuple[Any, ...]]:
        tenant = " AND (? IS NULL OR tenant = ?)" if table == "answers" else ""
        values = (span.since, span.until, *((span.client, span.client) if tenant else ()))
        sql = f"SELECT {what} FROM {table} WHERE created_at >= ? AND created_at < ? AND {which}{tenant}"
        return self._database.read(sql, values)

    def _chats(self, numbers: Sequence[int]) -> Iterator[Question]:
        """Questions of sessions; of several answers the latest counts."""
        sql = """SELECT asked.number, asked.content, asked.session_id, said.model, asked.created_at,
            said.evidence ->> 'is_weak', said.evidence ->> 'collection', coalesce(feedback.rating, 0)
            FROM messages AS asked LEFT JOIN messages AS said ON said.parent_id = asked.id AND said.role = 'assistant'
            LEFT JOIN feedback ON feedback.message_id = said.id
            WHERE asked.number IN (SELECT value FROM json_each(?)) ORDER BY asked.number, said.number"""
        for some in _pieces(numbers):
            latest = {row[0]: row[1:] for row in self._database.read(sql, (json.dumps(some),))}
            for text, session, model, at, is_weak, collection, rating in latest.values():
                yield Question(
                    text=text,
                    conversation=session,
                    model="" if model is None else f"{model}+{collection}" if collection else model,
                    at=at,
                    is_weak=bool(is_weak),
                    rating=rating,
                )

    def _answers(self, numbers: Sequence[int]) -> Iterator[Question]:
        sql = """SELECT tenant, model, messages, created_at, rating, EXISTS (SELECT 1 FROM reviews
                WHERE origin_kind = 'answer' AND origin_id = answers.id AND reason = 'weak_evidence')
            FROM answers WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number"""
        for some in _pieces(numbers):
            for tenant, model, messages, at, rating, is_weak in self._database.read(sql, (json.dumps(some),)):
                asked = [each["content"] for each in json.loads(messages) if each["role"] == "user"]
                if asked:
                    yield Question(
                        text=asked[-1],
                        conversation=json.dumps([tenant, asked[0]]),
                        model=model,
                        at=at,
                        is_weak=bool(is_weak),
                        rating=rating,
                    )

    def _chats_ended(self, span: Span) -> Iterator[Ended]:
        sql = f"""SELECT {_DAY.format("created_at")}, CASE
            WHEN role = 'user' THEN '{REFUSED}' WHEN (evidence ->> 'is_weak') THEN '{WEAK}'
            WHEN finish_reason IN ('{BROKEN}', 'deadline', 'cancelled') THEN finish_reason ELSE '{OK}' END, count(*)
            FROM messages WHERE created_at >= ? AND created_at < ?
            AND (role = 'assistant' OR role = 'user' AND finish_reason = '{REFUSED}') GROUP BY 1, 2"""
        for day, way, count in self._database.read(sql, (span.since, span.until)):
            yield Ended(day=day, way=way, count=count)

    def _requests_ended(self, span: Span) -> Iterator[Ended]:
        """Of the server; what only embedded or scored is no question, where it ended well."""
        sql = f"""SELECT {_DAY.format("at")}, status, count(*) FROM usage
            WHERE at >= ? AND at < ? AND tenant <> '' AND (? IS NULL OR tenant = ?)
            AND (status <> '{OK}' OR ttft_s IS NOT NULL OR completion_tokens > 0) GROUP BY 1, 2"""
        for day, way, count in self._database.read(sql, (span.since, span.until, span.client, span.client)):
            yield Ended(day=day, way=way, count=count)

    def _weak(self, span: Span) -> Iterator[Ended]:
        """The server's answers without evidence, which it counts as answered."""
        sql = f"""SELECT {_DAY.format("created_at")}, count(*) FROM reviews WHERE created_at >= ? AND created_at < ?
            AND reason = 'weak_evidence' AND origin_kind <> 'message' AND (? IS NULL OR tenant = ?) GROUP BY 1"""
        for day, count in self._database.read(sql, (span.since, span.until, span.tenant, span.tenant)):
            yield Ended(day=day, way=WEAK, count=count)
            yield Ended(day=day, way=OK, count=-count)


def _pieces(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _AT_ONCE):
        yield numbers[start : start + _AT_ONCE]
