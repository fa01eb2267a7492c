"""Keys as a running server looks them up."""

from __future__ import annotations

import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.keyring import FRESH_S, Keyring
from edgellm.store.keys import Limits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_secret_names_its_tenant(own_edge: EdgeLLM) -> None:
    made = own_edge.keys.create("a", role="viewer", limits=Limits(tokens_per_day=5))
    ring = Keyring(own_edge.keys, is_open=False)
    caller = ring.find(made.secret)
    assert caller is not None
    assert (caller.tenant, caller.role, caller.limits.tokens_per_day) == (made.key.id, "viewer", 5)
    assert ring.limits(caller.tenant) == caller.limits
    assert own_edge.keys.get(made.key.id).last_used_at is not None
    assert ring.find(made.secret[:-1] + "x") is None
    assert ring.find("") is None


def test_a_revoked_key_is_noticed(own_edge: EdgeLLM) -> None:
    clock, made = Clock(), own_edge.keys.create("a")
    ring = Keyring(own_edge.keys, is_open=False, clock=clock)
    caller = ring.find(made.secret)
    assert caller is not None
    assert ring.is_valid(caller)
    own_edge.keys.revoke(made.key.id)
    clock.now += FRESH_S
    assert ring.find(made.secret) is None
    assert not ring.is_valid(caller)


def test_keys_are_needed_once_there_are_some(own_edge: EdgeLLM) -> None:
    clock = Clock()
    ring = Keyring(own_edge.keys, is_open=True, clock=clock)
    assert not ring.is_needed
    own_edge.keys.create("a")
    clock.now += FRESH_S
    assert ring.is_needed
    assert Keyring(own_edge.keys, is_open=False).is_needed


def test_revoking_the_last_key_does_not_open_the_server(own_edge: EdgeLLM) -> None:
    clock, made = Clock(), own_edge.keys.create("a")
    ring = Keyring(own_edge.keys, is_open=True, clock=clock)
    assert ring.find(made.secret) is not None
    own_edge.keys.revoke(made.key.id)
    clock.now += FRESH_S
    assert ring.is_needed
    assert ring.find(made.secret) is None
    assert Keyring(own_edge.keys, is_open=True).is_needed


def test_an_expired_key_does_not_open_the_server(own_edge: EdgeLLM) -> None:
    own_edge.keys.create("a", days=1e-9)
    assert Keyring(own_edge.keys, is_open=True).is_needed


def test_a_token_is_the_only_key(own_edge: EdgeLLM) -> None:
    made = own_edge.keys.create("a", role="admin")
    ring = Keyring(own_edge.keys, is_open=True, token="secret")
    assert ring.is_needed
    assert ring.find("secret") is ring.local
    assert ring.find(made.secret) is None
    assert ring.is_valid(ring.local)


@pytest.mark.parametrize("secret", ["é", "\x00", "edge-" + "A" * 32, "x" * 256])
def test_odd_secrets_are_unknown(own_edge: EdgeLLM, secret: str) -> None:
    assert Keyring(own_edge.keys, is_open=False).find(secret) is None
