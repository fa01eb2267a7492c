"""Keys: shown once, found by their secret, nowhere kept; limits, expiry, revocation."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.errors import InvalidInput, NotFound
from edgellm.store import Limits, Store
from edgellm.store.db import Database
from edgellm.store.keys import DAY_S, PREFIX_CHARACTERS, SECRET, USED_EVERY_S


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(Database(tmp_path / "x.db", clock=clock)) as made:
        yield made


def test_a_key_is_found_by_its_secret_and_comes_back_as_it_was_made(store: Store) -> None:
    limits = Limits(
        models=("starter", "team/chat"),
        collections=("ferry",),
        adapter="lighthouse",
        tokens_per_minute=1000,
        tokens_per_day=50_000,
        requests=2,
        log="content-free",
    )
    made = store.keys.create("Ana", role="viewer", limits=limits, days=2)
    assert store.keys.find(made.secret) == made.key == store.keys.get(made.key.id)
    assert made.key.limits == limits
    assert (made.key.name, made.key.role, made.key.created_at) == ("Ana", "viewer", 1_700_000_000.0)
    assert made.key.expires_at == 1_700_000_000.0 + 2 * DAY_S
    assert store.keys.create("Ben").key.limits == Limits()


def test_secrets_have_192_random_bits_and_keys_are_told_apart_by_their_prefix(store: Store) -> None:
    made = [store.keys.create(f"key {number}") for number in range(50)]
    assert len({each.secret for each in made}) == 50
    assert all(SECRET.fullmatch(each.secret) and len(each.secret) == 37 for each in made)  # 32 x 6 bits
    assert all(each.key.prefix == each.secret[:PREFIX_CHARACTERS] for each in made)
    assert [key.name for key in store.keys.list()] == [f"key {number}" for number in range(49, -1, -1)]
    assert all(store.keys.find(each.secret) == each.key for each in made)


def test_the_secret_is_nowhere(store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        made = store.keys.create("Ana", limits=Limits(models=("starter",)))
        store.keys.find(made.secret)
        store.keys.find(made.secret[:-1] + "x")
        store.keys.used(made.key.id)
        store.keys.revoke(made.key.id)
    hidden = re.compile(re.escape(made.secret[PREFIX_CHARACTERS:]).encode())
    files = list(tmp_path.iterdir())
    assert {file.name for file in files} == {"x.db", "x.db-wal", "x.db-shm"}
    assert not any(hidden.search(file.read_bytes()) for file in files)
    said = [caplog.text, repr(made), str(made.key), *map(repr, store.keys.list()), *map(repr, store.audit.list())]
    assert not any(hidden.search(text.encode()) for text in said)
    store.close()
    assert not hidden.search((tmp_path / "x.db").read_bytes())


def test_two_keys_with_one_prefix_are_told_apart(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tails = iter(["A" * 32, "A" * 31 + "B"])
    monkeypatch.setattr("edgellm.store.keys.secrets.token_urlsafe", lambda _: next(tails))
    first, second = store.keys.create("first"), store.keys.create("second")
    assert first.key.prefix == second.key.prefix
    assert store.keys.find(first.secret) == first.key
    assert store.keys.find(second.secret) == second.key
    assert store.keys.find(first.key.prefix + "C" * 25) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text() | st.text(alphabet="edg-AZaz09_\0%'\ud800", max_size=60))
def test_any_text_may_be_shown_for_a_secret(store: Store, text: str) -> None:
    assert store.keys.find(text) is None


def test_nearly_a_secret_is_none(store: Store) -> None:
    secret = store.keys.create("Ana").secret
    for wrong in (secret[:-1], secret + "A", secret + "\n", secret.swapcase(), f" {secret}", secret[:12], ""):
        assert store.keys.find(wrong) is None


def test_expiry_and_revocation_take_effect_at_once(store: Store, clock: Clock) -> None:
    short, revoked = store.keys.create("short", days=1), store.keys.create("revoked")
    clock.now += DAY_S - 1
    assert store.keys.find(short.secret) is not None
    clock.now += 1
    assert store.keys.find(short.secret) is None
    assert store.keys.get(short.key.id).state(clock.now) == "expired"
    assert store.keys.find(revoked.secret) is not None
    first = store.keys.revoke(revoked.key.id)
    assert store.keys.find(revoked.secret) is None
    clock.now += 5
    assert store.keys.revoke(revoked.key.id) == first
    assert first.state(clock.now) == "revoked"
    assert [entry.action for entry in store.audit.list()] == ["key.revoke", "key.create", "key.create"]
    with pytest.raises(NotFound, match="'nope'"):
        store.keys.revoke("nope")


def test_use_is_noted_once_a_minute(store: Store, clock: Clock) -> None:
    key = store.keys.create("Ana").key
    assert key.last_used_at is None
    store.keys.used(key.id)
    first = store.keys.get(key.id).last_used_at
    clock.now += USED_EVERY_S - 1
    store.keys.used(key.id)
    assert store.keys.get(key.id).last_used_at == first == clock.now - USED_EVERY_S + 1
    clock.now += 1
    store.keys.used(key.id)
    assert store.keys.get(key.id).last_used_at == clock.now
    store.keys.used("nope")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "\x1b[2J"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"role": "root"}, "role"),
        ({"days": 0}, "days"),
        ({"days": -1}, "days"),
        ({"days": float("nan")}, "days"),
        ({"days": 1e9}, "days"),
        ({"limits": Limits(requests=0)}, "requests"),
        ({"limits": Limits(tokens_per_minute=-1)}, "tokens_per_minute"),
        ({"limits": Limits(tokens_per_day=0)}, "tokens_per_day"),
        ({"limits": Limits(models=("",))}, "limits"),
        ({"limits": Limits(collections=("a\x07",))}, "limits"),
        ({"limits": Limits(adapter="")}, "limits"),
    ],
)
def test_malformed_keys_are_refused_by_name(store: Store, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.keys.create(**{"name": "Ana", **wrong})
    assert caught.value.facts["field"] == field
    assert store.keys.list() == []
    assert store.audit.list() == []


def test_making_a_key_says_who_made_it(store: Store) -> None:
    key = store.keys.create("Ana", role="admin", actor="boss").key
    [entry] = store.audit.list()
    assert (entry.actor, entry.action, entry.target) == ("boss", "key.create", key.id)
    assert entry.facts == {"name": "Ana", "role": "admin", "prefix": key.prefix, "expires_at": None}
    store.keys.create("Ben", limits=Limits(models=("starter",), requests=2))
    said = str(store.audit.list()[0].facts["limits"])
    assert '"models": ["starter"]' in said
    assert '"requests": 2' in said
