"""Aliases: moved in one step, with their history; one step deep."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgellm.errors import InvalidInput, NotFound
from edgellm.store import Store, open_store


def test_an_alias_is_set_moved_and_taken_away(store: Store) -> None:
    first = store.aliases.set("team", "starter")
    assert (first.name, first.target) == ("team", "starter")
    assert store.aliases.resolve("team") == "starter"
    moved = store.aliases.set("team", "starter@lighthouse+ferry", actor="k1")
    assert store.aliases.get("team") == moved
    assert moved.updated_at > first.updated_at
    assert store.aliases.resolve("team") == "starter@lighthouse+ferry"
    store.aliases.remove("team", actor="k2")
    assert store.aliases.resolve("team") == "team"
    assert store.aliases.list() == []
    changes = store.aliases.history("team")
    assert [(change.target, change.actor) for change in changes] == [
        (None, "k2"),
        ("starter@lighthouse+ferry", "k1"),
        ("starter", "local"),
    ]
    entries = store.audit.list()
    assert [(e.action, e.actor, e.target) for e in entries] == [
        ("alias.remove", "k2", "team"),
        ("alias.set", "k1", "team"),
        ("alias.set", "local", "team"),
    ]
    assert entries[1].facts == {"target": "starter@lighthouse+ferry", "before": "starter"}


def test_setting_the_same_target_again_changes_nothing(store: Store) -> None:
    first = store.aliases.set("team", "starter")
    assert store.aliases.set("team", "starter") == first
    assert len(store.aliases.history("team")) == len(store.audit.list()) == 1


def test_every_other_name_stands_for_itself(store: Store) -> None:
    store.aliases.set("team", "starter")
    for name in ("starter", "team@lighthouse", "Team", "", "te\0am", "\ud800", "x" * 10_000):
        assert store.aliases.resolve(name) == name


def test_aliases_are_listed_by_name(store: Store) -> None:
    for name in ("zebra", "openai/gpt-4o", "llama3.2:1b"):
        store.aliases.set(name, "starter")
    assert [alias.name for alias in store.aliases.list()] == ["llama3.2:1b", "openai/gpt-4o", "zebra"]


@pytest.mark.parametrize("name", ["", "a b", "a@b", "a+b", "../x", "a..b", "-a", "é", "a\n", "x" * 97])
def test_what_cannot_be_an_alias_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.aliases.set(name, "starter")
    assert caught.value.facts["field"] == "name"
    assert store.aliases.list() == []


@pytest.mark.parametrize("target", ["", " ", "a\nb", "\x1b[2J", "team", "other", "x" * 201])
def test_what_an_alias_cannot_stand_for_is_refused(store: Store, target: str) -> None:
    store.aliases.set("other", "starter")
    with pytest.raises(InvalidInput) as caught:
        store.aliases.set("team", target)
    assert caught.value.facts["field"] == "target"
    assert [alias.name for alias in store.aliases.list()] == ["other"]


def test_unknown_aliases_are_not_found(store: Store) -> None:
    for call in (store.aliases.get, store.aliases.remove, store.aliases.history):
        with pytest.raises(NotFound, match="'nope'"):
            call("nope")
    assert store.audit.list() == []


def test_readers_see_the_old_target_or_the_new_one(tmp_path: Path) -> None:
    with open_store(tmp_path / "x.db") as writer, open_store(tmp_path / "x.db") as reader:
        writer.aliases.set("team", "one")
        seen: set[str] = set()
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                seen.add(reader.aliases.resolve("team"))

        thread = threading.Thread(target=read)
        thread.start()
        for number in range(20):
            writer.aliases.set("team", "two" if number % 2 == 0 else "one")
        done.set()
        thread.join(timeout=30)
        assert seen <= {"one", "two"}
        assert len(writer.aliases.history("team")) == 21
