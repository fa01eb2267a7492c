"""States in host memory stay within their bytes; the least recently used goes first."""

from __future__ import annotations

from dataclasses import replace

from edgellm.engine.hostcache import HostCache, HostState
from edgellm.engine.plan import CacheKey

KEY = CacheKey("", None, None)


def state(tokens: str, size: int = 10, key: CacheKey = KEY) -> HostState:
    return HostState(key, tuple(tokens.encode()), bytes(size))


def test_least_recently_used_is_dropped() -> None:
    cache = HostCache(30, 1)
    first, second, third, fourth = (state(text) for text in ("one", "two", "three", "four"))
    for entry in (first, second, third):
        cache.put(entry)
    cache.touch(first)
    cache.put(fourth)
    assert cache.used_bytes == 30
    assert list(cache.matches(KEY, tuple(b"one"))) == [first]
    assert second not in cache.matches(KEY, tuple(b"two"))


def test_a_longer_text_replaces_its_own_beginning() -> None:
    cache = HostCache(100, 1)
    cache.put(state("hello"))
    longer = state("hello world")
    cache.put(longer)
    assert len(cache) == 1
    assert cache.matches(KEY, tuple(b"hello there")) == {longer: 6}


def test_what_exceeds_the_whole_budget_is_not_kept() -> None:
    cache = HostCache(5, 1)
    cache.put(state("text", size=6))
    assert len(cache) == 0
    assert cache.has_room_for(5)
    assert not cache.has_room_for(6)
    assert not HostCache(0, 0).has_room_for(1)


def test_other_tenants_see_nothing() -> None:
    cache = HostCache(100, 1)
    cache.put(state("secret", key=CacheKey("acme", None, None)))
    assert cache.matches(KEY, tuple(b"secret")) == {}


def test_a_conversation_is_forgotten_with_all_its_states() -> None:
    cache = HostCache(100, 1)
    kept = state("kept")
    for entry in (kept, replace(state("one"), conversation="chat"), replace(state("two"), conversation="chat")):
        cache.put(entry)
    cache.forget("chat")
    assert (len(cache), cache.used_bytes) == (1, 10)
    assert list(cache.matches(KEY, tuple(b"kept"))) == [kept]
    assert cache.matches(KEY, tuple(b"one")) == {}


def test_dropping_twice_is_harmless() -> None:
    cache = HostCache(100, 1)
    entry = state("text")
    cache.put(entry)
    cache.drop(entry)
    cache.drop(entry)
    assert cache.used_bytes == 0
