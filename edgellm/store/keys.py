"""Keys of a server's clients: shown once, kept as hashes; each is a tenant with a role and limits."""

from __future__ import annotations

import builtins
import hashlib
import hmac
import math
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal, get_args

from edgellm.errors import Fact, InvalidInput, NotFound
from edgellm.safetext import clean_line
from edgellm.store import audit
from edgellm.store.db import Database, Execute, Row
from edgellm.store.ids import new_id
from edgellm.store.records import from_json, storable, to_json

Role = Literal["admin", "user", "viewer"]
"""An admin manages, a user asks models, a viewer sees figures."""
State = Literal["active", "expired", "revoked"]

SECRET = re.compile(r"edge-[A-Za-z0-9_-]{32}")
"""192 random bits in URL-safe base 64 (RFC 4648): too many to guess, so that no slow hash is needed."""
PREFIX_CHARACTERS = 12
"""Of the secret, kept for looking it up and for telling keys apart; 150 bits stay unknown."""
MOST_NAME_CHARACTERS, MOST_DAYS = 64, 36_500
DAY_S, USED_EVERY_S = 86_400.0, 60.0

_KEY = """SELECT id, name, role, prefix, limits, created_at, expires_at, revoked_at, last_used_at, hash
    FROM api_keys"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a key may use; None is without a limit."""

    models: tuple[str, ...] = ()
    """Models and aliases that it may name; empty allows all."""
    collections: tuple[str, ...] = ()
    """Collections of documents that it may ask besides its own."""
    adapter: str | None = None
    """Adapter that answers every one of its requests."""
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    requests: int | None = None
    """Requests at once."""
    log: Literal["full", "content-free"] = "full"
    """Whether what it asks and gets may be kept: `content-free` keeps numbers only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key, without its secret. Times are seconds since the epoch. Its id names the tenant."""

    id: str
    name: str
    role: Role
    prefix: str
    """The secret's first characters."""
    limits: Limits
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None
    """To a minute."""

    def state(self, now: float) -> State:
        """Whether it is valid, and why not."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and now >= self.expires_at else "active"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key and, this once, its secret."""

    key: Key
    secret: str = field(repr=False)


class KeyTable:
    """The keys. Making and revoking one is a transaction with its entry in the audit log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        *,
        role: Role = "user",
        limits: Limits | None = None,
        days: float | None = None,
        actor: str = audit.LOCAL,
    ) -> NewKey:
        """A new key, valid for `days` (without end by default). Its secret is nowhere kept.

        Raises: InvalidInput.
        """
        limits = limits or Limits()
        _check(name, role, limits, days)
        now = self._database.clock()
        secret = f"edge-{secrets.token_urlsafe(24)}"
        key = Key(
            id=new_id(),
            name=name,
            role=role,
            prefix=secret[:PREFIX_CHARACTERS],
            limits=limits,
            created_at=now,
            expires_at=None if days is None else now + days * DAY_S,
            revoked_at=None,
            last_used_at=None,
        )
        with self._database.write() as execute:
            _insert(execute, key, _hash(secret))
            audit.append(execute, audit.Event(actor, "key.create", key.id, _facts(key)), now)
        return NewKey(key, secret)

    def list(self) -> builtins.list[Key]:
        """All keys, newest first, those that are no longer valid included."""
        return [_key(row) for row in self._database.read(f"{_KEY} ORDER BY number DESC")]

    def get(self, key_id: str) -> Key:
        """One key by its id. Raises: NotFound."""
        rows = self._database.read(f"{_KEY} WHERE id = ?", (storable(key_id),))
        if not rows:
            shown = key_id[:100]
            raise NotFound(f"There is no key {shown!r}.", hint="edgellm keys list shows them.", id=shown)
        return _key(rows[0])

    def find(self, secret: str) -> Key | None:
        """The valid key that this is the secret of; None when it is unknown, expired or revoked.

        Found by its prefix, then compared in constant time, whatever it holds.
        """
        known = SECRET.fullmatch(secret) is not None
        prefix = secret[:PREFIX_CHARACTERS] if known else ""
        wanted, found = _hash(secret), None
        for row in self._database.read(f"{_KEY} WHERE prefix = ?", (prefix,)):
            if hmac.compare_digest(row[9], wanted):
                found = _key(row)
        return found if found and found.state(self._database.clock()) == "active" else None

    def revoke(self, key_id: str, *, actor: str = audit.LOCAL) -> Key:
        """Make a key invalid for good; one that is revoked already stays as it is. Raises: NotFound."""
        key, now = self.get(key_id), self._database.clock()
        sql = "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING id"
        with self._database.write() as execute:
            if execute(sql, (now, key.id)):
                audit.append(execute, audit.Event(actor, "key.revoke", key.id, {"name": key.name}), now)
        return self.get(key_id)

    def used(self, key_id: str) -> None:
        """Note that a key is in use; written at most once a minute."""
        due = "last_used_at IS NULL OR last_used_at <= ?"
        now = self._database.clock()
        values = (storable(key_id), now - USED_EVERY_S)
        if self._database.read(f"SELECT 1 FROM api_keys WHERE id = ? AND ({due})", values):
            with self._database.write() as execute:
                execute(f"UPDATE api_keys SET last_used_at = ? WHERE id = ? AND ({due})", (now, *values))


def _insert(execute: Execute, key: Key, hashed: bytes) -> None:
    values = (key.id, key.name, key.role, key.prefix, hashed, to_json(key.limits, "limits"))
    sql = """INSERT INTO api_keys (id, name, role, prefix, hash, limits, created_at, expires_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
    execute(sql, (*values, key.created_at, key.expires_at))


def _facts(key: Key) -> dict[str, Fact]:
    """What the audit log keeps of a new key."""
    limits = {} if key.limits == Limits() else {"limits": to_json(key.limits, "limits")}
    return {"name": key.name, "role": key.role, "prefix": key.prefix, "expires_at": key.expires_at, **limits}


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def _key(row: Row) -> Key:
    limits = from_json(row[4], Limits)
    assert limits is not None  # the column is NOT NULL
    return Key(
        id=row[0],
        name=row[1],
        role=row[2],
        prefix=row[3],
        limits=limits,
        created_at=row[5],
        expires_at=row[6],
        revoked_at=row[7],
        last_used_at=row[8],
    )


def _check(name: str, role: str, limits: Limits, days: float | None) -> None:
    """Raises: InvalidInput."""
    if not name.strip() or len(name) > MOST_NAME_CHARACTERS or name != clean_line(name):
        raise _wrong("name", name, f"it takes 1 to {MOST_NAME_CHARACTERS} characters on one line")
    if role not in get_args(Role):
        raise _wrong("role", role, f"it is one of {', '.join(get_args(Role))}")
    if days is not None and not (math.isfinite(days) and 0 < days <= MOST_DAYS):
        raise _wrong("days", days, f"it takes more than 0 and at most {MOST_DAYS:,}")
    for field_name in ("tokens_per_minute", "tokens_per_day", "requests"):
        number = getattr(limits, field_name)
        if number is not None and number < 1:
            raise _wrong(field_name, number, "it takes 1 or more")
    if limits.log not in ("full", "content-free"):
        raise _wrong("log", limits.log, "it is one of full, content-free")
    for one in (*limits.models, *limits.collections, *(() if limits.adapter is None else (limits.adapter,))):
        if not one or one != clean_line(one):
            raise _wrong("limits", one, "a name of a model, collection or adapter is not empty and on one line")


def _wrong(name: str, value: object, reason: str) -> InvalidInput:
    shown = value[:100] if isinstance(value, str) else value
    return InvalidInput(f"A key's {name} cannot be {shown!r}: {reason}.", field=name)
