"""What a server remembers: keys, the audit log, aliases, answers that were rated, and usage."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Sequence

from edgellm.errors import Fact
from edgellm.store import (
    Alias,
    AliasChange,
    AuditCheck,
    AuditEntry,
    Head,
    Key,
    Limits,
    NewKey,
    ServedAnswer,
    Signal,
    Store,
    UsageRow,
    UsageTotal,
)
from edgellm.store.audit import LOCAL
from edgellm.store.keys import DAY_S, Role
from edgellm.store.records import Rating
from edgellm.store.usage import By

__all__ = ["LOCAL", "Aliases", "Answers", "Audit", "Head", "Keys", "Limits", "Role", "ServedAnswer", "UsageRow", "Use"]


class Keys:
    """Keys of a server's clients; a key's id is a tenant. Errors of every method: NotFound, InvalidInput, StoreError.

    `actor` goes into the audit log: the id of the key that asks for the change, or LOCAL on this machine itself.
    """

    def __init__(self, store: Callable[[], Store], absent: Callable[[Limits], tuple[str, ...]]) -> None:
        self._store, self._absent = store, absent

    def absent(self, limits: Limits) -> tuple[str, ...]:
        """What the limits name and is not on this machine now: meant for later, or a wrong letter."""
        return self._absent(limits)

    def create(
        self,
        name: str,
        *,
        role: Role = "user",
        limits: Limits | None = None,
        days: float | None = None,
        actor: str = LOCAL,
    ) -> NewKey:
        """A new key with its secret, which is shown this once; without `days` it has no end."""
        return self._store().keys.create(name, role=role, limits=limits, days=days, actor=actor)

    def list(self) -> builtins.list[Key]:
        """All keys, newest first, also those that are no longer valid."""
        return self._store().keys.list()

    def get(self, key_id: str) -> Key:
        """One key by its id."""
        return self._store().keys.get(key_id)

    def find(self, secret: str) -> Key | None:
        """The key that a client showed; None when it is unknown, expired or revoked."""
        return self._store().keys.find(secret)

    def revoke(self, key_id: str, *, actor: str = LOCAL) -> Key:
        """Make a key invalid for good."""
        return self._store().keys.revoke(key_id, actor=actor)

    def used(self, key_id: str) -> None:
        """Note that a key is in use; to a minute."""
        self._store().keys.used(key_id)


class Audit:
    """The audit log, which only grows. Errors of every method: StoreError."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store

    def add(self, actor: str, action: str, target: str = "", /, **facts: Fact) -> None:
        """Log an event: who (a key's id, or LOCAL), what (`document.remove`), to what, and what else is known."""
        self._store().audit.add(actor, action, target, **facts)

    def list(self, limit: int = 50, before: int | None = None) -> builtins.list[AuditEntry]:
        """Entries, newest first; `before` is the number of the last one seen."""
        return self._store().audit.list(limit, before)

    def verify(self, head: Head | None = None) -> AuditCheck:
        """Whether every entry is as it was written; with the head of an earlier check, also whether none is missing."""
        return self._store().audit.verify(head)


class Aliases:
    """Other names for `model[@adapter][+collection]`. Errors of every method: NotFound, InvalidInput, StoreError."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store

    def set(self, name: str, target: str, *, actor: str = LOCAL) -> Alias:
        """Make an alias, or move it to another target in one step."""
        return self._store().aliases.set(name, target, actor=actor)

    def get(self, name: str) -> Alias:
        """One alias."""
        return self._store().aliases.get(name)

    def list(self) -> builtins.list[Alias]:
        """All aliases, by name."""
        return self._store().aliases.list()

    def remove(self, name: str, *, actor: str = LOCAL) -> None:
        """Take an alias away; its history stays."""
        self._store().aliases.remove(name, actor=actor)

    def history(self, name: str) -> builtins.list[AliasChange]:
        """What an alias stood for, latest first."""
        return self._store().aliases.history(name)

    def resolve(self, name: str) -> str:
        """What an alias stands for; any other name itself."""
        return self._store().aliases.resolve(name)


class Answers:
    """Answers given to clients, for their feedback. Another tenant's do not exist. Errors: NotFound, InvalidInput."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store

    def add(self, answer: ServedAnswer, signals: Sequence[Signal] = ()) -> None:
        """Keep an answer, and what of it goes into the review queue."""
        self._store().answers.add(answer, signals)

    def unanswered(self, tenant: str, request_id: str, signal: Signal) -> None:
        """Put a request that got no answer, or asked for none, into the review queue; the same one only once."""
        self._store().answers.unanswered(tenant, request_id, signal)

    def replaces(self, answer_id: str, tenant: str, other_id: str) -> None:
        """Note that an answer was asked for in place of an earlier one to the same conversation."""
        self._store().answers.replaces(answer_id, tenant, other_id)

    def get(self, answer_id: str, tenant: str) -> ServedAnswer:
        """One answer of a tenant's."""
        return self._store().answers.get(answer_id, tenant)

    def rate(self, answer_id: str, tenant: str, rating: Rating = 0, correction: str | None = None) -> ServedAnswer:
        """Replace what was said about an answer: 1, -1 or 0, and what it should have been."""
        return self._store().answers.rate(answer_id, tenant, rating, correction)

    def prune(self, days: float) -> int:
        """Delete answers that are older, with what was said about them. Returns: how many there were."""
        return self._store().answers.remove_before(time.time() - days * DAY_S)


class Use:
    """Requests counted: tokens, latency, errors, energy. Errors of every method: InvalidInput, StoreError."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store

    def add(self, row: UsageRow) -> None:
        """Count one request, now."""
        self._store().usage.add(row)

    def totals(self, by: By | Sequence[By] = "day", since: float | None = None) -> builtins.list[UsageTotal]:
        """Sums of requests that ended since then (seconds since the epoch), with percentiles of their latency.

        `by`: one, or several: `by=("tenant", "model", "day")` has a sum for each combination (`UsageTotal.keys`).
        """
        return self._store().usage.totals(by, since)
