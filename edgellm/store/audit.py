"""The audit log: who did what to what, append-only and chained by hashes."""

from __future__ import annotations

import builtins
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from edgellm.errors import Fact, InvalidInput
from edgellm.safetext import clean_line
from edgellm.store.db import Database, Execute, Row

LOCAL = "local"
"""The actor of what is done on this machine itself, without a key."""
MOST_CHARACTERS = 512
"""Of each text in an entry; a longer one is cut."""
START = "0" * 64
"""In place of a hash before the first entry."""
PAGE = 1000
"""Entries that are read at once."""

_ENTRY = "SELECT number, at, actor, action, target, facts, hash FROM audit"
_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Event:
    """What is to be logged. Its texts are made harmless and brought onto one line."""

    actor: str
    """A key's id, or `LOCAL`."""
    action: str
    """What was done, like `key.create`."""
    target: str = ""
    """To what: an id or a name."""
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the log."""

    number: int
    """From 1, without a gap."""
    at: float
    """Seconds since the epoch."""
    actor: str
    action: str
    target: str
    facts: Mapping[str, Fact]
    hash: str
    """SHA-256, in hex, over the hash before it and this entry; see `chained`."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends. Kept elsewhere, it proves later that nothing was cut off or written anew."""

    count: int = 0
    hash: str = START

    def __str__(self) -> str:
        return f"{self.count}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """A head from `COUNT:HASH`. Raises: InvalidInput."""
        found = _HEAD.fullmatch(text.strip())
        if found is None:
            message = f"{text[:100]!r} is no end of an audit log."
            raise InvalidInput(message, hint="It is COUNT:HASH, as `edgellm audit verify` prints it.", field="head")
        return cls(int(found[1]), found[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCheck:
    """What a walk along the chain found."""

    entries: int
    """How many there are."""
    head: Head
    """The end of the log; of the part before `broken_at` where it is broken."""
    broken_at: int | None = None
    """Number of the first entry that is not as it was written, or missing."""
    reason: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether every entry is as it was written."""
        return self.broken_at is None


class AuditLog:
    """The log of one store. The table refuses changes and deletions; the chain shows them if it was got round."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, actor: str, action: str, target: str = "", /, **facts: Fact) -> None:
        """Log one event."""
        with self._database.write() as execute:
            append(execute, Event(actor, action, target, facts), self._database.clock())

    def list(self, limit: int = 50, before: int | None = None) -> builtins.list[AuditEntry]:
        """Entries, newest first; `before` is the number of the last one seen."""
        sql = f"{_ENTRY} WHERE ? IS NULL OR number < ? ORDER BY number DESC LIMIT ?"
        return [_entry(row) for row in self._database.read(sql, (before, before, limit))]

    def verify(self, head: Head | None = None) -> AuditCheck:
        """Walk the chain to its end; with a `head` of an earlier walk, also past that point.

        An attacker who can write the file can write the whole chain anew: only a head that was kept elsewhere shows
        that, and only a head shows that the newest entries were cut off.
        """
        with self._database.snapshot() as execute:
            total: int = execute("SELECT count(*) FROM audit")[0][0]
            at = Head()
            for row in _rows(execute):
                reason = _defect(row, at, head)
                if reason:
                    return AuditCheck(entries=total, head=at, broken_at=at.count + 1, reason=reason)
                at = Head(row[0], row[6])
        if head is not None and at.count < head.count:
            reason = f"the log ends after {at.count} entries, but it had {head.count}"
            return AuditCheck(entries=total, head=at, broken_at=at.count + 1, reason=reason)
        return AuditCheck(entries=total, head=at)


def append(execute: Execute, event: Event, now: float) -> None:
    """Log an event in the transaction of what it tells about."""
    last = execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
    number, before = (last[0][0] + 1, last[0][1]) if last else (1, START)
    facts = {_text(name): _text(fact) if isinstance(fact, str) else fact for name, fact in event.facts.items()}
    entry = (number, float(now), _text(event.actor), _text(event.action), _text(event.target), _canonical(facts))
    execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)", (*entry, chained(before, entry)))


def chained(before: str, entry: Row) -> str:
    """SHA-256 in hex over the hash before it and the entry: [number, at, actor, action, target, facts as JSON text].

    The entry is JSON without spaces in which everything outside ASCII is escaped.
    """
    return hashlib.sha256((before + _canonical(list(entry))).encode()).hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _text(text: str) -> str:
    return clean_line(text[:MOST_CHARACTERS])


def _rows(execute: Execute) -> Iterator[Row]:
    """All entries in order, a page at a time."""
    last = -(1 << 63)
    while page := execute(f"{_ENTRY} WHERE number > ? ORDER BY number LIMIT ?", (last, PAGE)):
        yield from page
        last = page[-1][0]


def _defect(row: Row, before: Head, head: Head | None) -> str:
    """What is wrong with the entry that should follow `before`; empty when nothing is."""
    number = before.count + 1
    if row[0] != number:
        return f"entry {number} is missing"
    if chained(before.hash, row[:6]) != row[6]:
        return f"entry {number} is not as it was written"
    if head is not None and head.count == number and head.hash != row[6]:
        return f"entry {number} is not the one that the given end names: the log was written anew"
    return ""


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(
        number=row[0],
        at=row[1],
        actor=row[2],
        action=row[3],
        target=row[4],
        facts=json.loads(row[5]),
        hash=row[6],
    )
