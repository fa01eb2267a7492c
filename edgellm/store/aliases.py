"""Aliases: other names for a model with its adapter and collection, moved in one step, with their history."""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgellm.errors import Fact, InvalidInput, NotFound
from edgellm.safetext import clean_line
from edgellm.store import audit
from edgellm.store.db import Database, Execute, Row
from edgellm.store.records import storable

MOST_CHARACTERS = 200
"""Of a target."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_:/-]|\.(?!\.)){0,95}")
"""Wider than a model's name: clients ask for `gpt-4o`, `llama3.2:1b` or `openai/gpt-4o`."""
_ALIAS = "SELECT name, target, updated_at FROM aliases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name that stands for another. Times are seconds since the epoch."""

    name: str
    target: str
    """`MODEL`, `MODEL@ADAPTER`, `MODEL@ADAPTER+COLLECTION` or `MODEL+COLLECTION`."""
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasChange:
    """One step of an alias's history."""

    name: str
    target: str | None
    """None: it was removed."""
    actor: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why an alias is moved: a decision that was made while it stood for something."""

    expected: str | None
    """What it stood for; None: it was not there."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """What goes into the audit log beside the move."""


class AliasTable:
    """The aliases. A change, its line in the history and its entry in the audit log are one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, name: str, target: str, *, actor: str = audit.LOCAL, reason: Reason | None = None) -> Alias:
        """Make an alias or move it; the next request follows it.

        Whether the target's model exists is not asked: it may be installed later. Raises: InvalidInput, also when the
        alias stands for something else than the reason says.
        """
        _check(name, target)
        now = self._database.clock()
        with self._database.write() as execute:
            if execute("SELECT 1 FROM aliases WHERE name = ?", (target,)):
                message = f"{target!r} is an alias itself; an alias stands for a model, never for another alias."
                raise InvalidInput(message, hint="Name what it stands for.", field="target")
            before = _target(execute, name)
            if reason is not None and before != reason.expected:
                message = f"{name!r} stands for {before!r} by now, not for {reason.expected!r}."
                raise InvalidInput(message, hint="Look at it again, then decide.", field="name")
            if before != target:
                sql = "INSERT OR REPLACE INTO aliases (name, target, updated_at) VALUES (?, ?, ?)"
                execute(sql, (name, target, now))
                change = AliasChange(name=name, target=target, actor=actor, at=now)
                _note(execute, change, before, {} if reason is None else reason.facts)
        return self.get(name)

    def get(self, name: str) -> Alias:
        """One alias. Raises: NotFound."""
        rows = self._database.read(f"{_ALIAS} WHERE name = ?", (storable(name),))
        if not rows:
            raise _unknown(name)
        return _alias(rows[0])

    def list(self) -> builtins.list[Alias]:
        """All aliases, by name."""
        return [_alias(row) for row in self._database.read(f"{_ALIAS} ORDER BY name")]

    def remove(self, name: str, *, actor: str = audit.LOCAL) -> None:
        """Take an alias away; its history stays. Raises: NotFound."""
        now = self._database.clock()
        with self._database.write() as execute:
            before = _target(execute, storable(name))
            if before is None:
                raise _unknown(name)
            execute("DELETE FROM aliases WHERE name = ?", (name,))
            _note(execute, AliasChange(name=name, target=None, actor=actor, at=now), before, {})

    def history(self, name: str) -> builtins.list[AliasChange]:
        """What an alias stood for, latest first; also of one that was removed. Raises: NotFound."""
        sql = "SELECT name, target, actor, at FROM alias_history WHERE name = ? ORDER BY number DESC"
        rows = self._database.read(sql, (storable(name),))
        if not rows:
            raise _unknown(name)
        return [AliasChange(name=row[0], target=row[1], actor=row[2], at=row[3]) for row in rows]

    def resolve(self, name: str) -> str:
        """What an alias stands for; any other name itself."""
        rows = self._database.read("SELECT target FROM aliases WHERE name = ?", (storable(name),))
        return str(rows[0][0]) if rows else name


def _note(execute: Execute, change: AliasChange, before: str | None, more: Mapping[str, Fact]) -> None:
    actor = clean_line(change.actor)
    sql = "INSERT INTO alias_history (name, target, actor, at) VALUES (?, ?, ?, ?)"
    execute(sql, (change.name, change.target, actor, change.at))
    action = "alias.remove" if change.target is None else "alias.set"
    facts: dict[str, Fact] = {"target": change.target, "before": before, **more}
    audit.append(execute, audit.Event(actor, action, change.name, facts), change.at)


def _target(execute: Execute, name: str) -> str | None:
    rows = execute("SELECT target FROM aliases WHERE name = ?", (name,))
    return rows[0][0] if rows else None


def _check(name: str, target: str) -> None:
    """Raises: InvalidInput."""
    if not _NAME.fullmatch(name):
        hint = "Use letters, digits, '_', '-', ':', '/' and single dots; a letter or digit first; at most 96."
        raise InvalidInput(f"{name[:MOST_CHARACTERS]!r} cannot be an alias.", hint=hint, field="name")
    if not target.strip() or len(target) > MOST_CHARACTERS or target != clean_line(target):
        message = f"An alias cannot stand for {target[:MOST_CHARACTERS]!r}."
        hint = "Name MODEL, MODEL@ADAPTER, MODEL+COLLECTION or MODEL@ADAPTER+COLLECTION."
        raise InvalidInput(message, hint=hint, field="target")
    if name == target:
        raise InvalidInput(f"{name!r} cannot stand for itself.", field="target")


def _unknown(name: str) -> NotFound:
    hint = "edgellm aliases list shows them."
    return NotFound(f"There is no alias {name[:MOST_CHARACTERS]!r}.", hint=hint, name=name[:MOST_CHARACTERS])


def _alias(row: Row) -> Alias:
    return Alias(name=row[0], target=row[1], updated_at=row[2])
