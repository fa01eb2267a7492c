"""The audit log: only grows, one line an event, and every change of the past is found."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.errors import InvalidInput, StoreError
from edgellm.store import Head, Store, open_store
from edgellm.store.audit import PAGE, START, Event, append
from edgellm.store.db import Database


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A store file with five entries."""
    path = tmp_path / "log" / "x.db"
    with open_store(path) as store:
        for number in range(1, 6):
            store.audit.add("local", "test.count", f"thing {number}", number=number, is_even=number % 2 == 0)
    return path


def tampered(path: Path, *statements: str) -> Store:
    """The store after somebody with the file and without scruples got round the table's own rules."""
    connection = apsw.Connection(str(path))
    for name in ("audit_update", "audit_delete", "audit_insert"):
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return open_store(path)


def test_entries_come_back_newest_first_in_pages(store: Store) -> None:
    for number in range(5):
        store.audit.add("ana", "test.count", str(number), number=number)
    assert [entry.target for entry in store.audit.list()] == ["4", "3", "2", "1", "0"]
    first = store.audit.list(limit=2)
    assert [entry.number for entry in first] == [5, 4]
    assert [entry.number for entry in store.audit.list(limit=2, before=first[-1].number)] == [3, 2]
    assert first[0].facts == {"number": 4}


def test_a_hash_is_what_the_documentation_says(store: Store) -> None:
    store.audit.add("ana", "key.create", "k1", name="Zoë", days=1.5, role=None)
    store.audit.add("ana", "key.revoke", "k1")
    second, first = store.audit.list()
    facts = '{"days":1.5,"name":"Zo\\u00eb","role":null}'
    row = [1, first.at, "ana", "key.create", "k1", facts]
    expected = hashlib.sha256((START + json.dumps(row, separators=(",", ":"))).encode()).hexdigest()
    assert first.hash == expected
    row = [2, second.at, "ana", "key.revoke", "k1", "{}"]
    expected = hashlib.sha256((first.hash + json.dumps(row, separators=(",", ":"))).encode()).hexdigest()
    assert second.hash == expected
    assert store.audit.verify().head == Head(2, expected)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody' WHERE number = 1",
        "DELETE FROM audit WHERE number = 2",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT 1, at, 'nobody', action, target, facts, hash FROM audit WHERE number = 1",
        "REPLACE INTO audit SELECT number, at, 'nobody', action, target, facts, hash FROM audit WHERE number = 2",
        "UPDATE OR REPLACE audit SET number = 1 WHERE number = 2",
        "INSERT INTO audit SELECT 9, at, actor, action, target, facts, hash FROM audit WHERE number = 2",
        "INSERT INTO audit SELECT 0, at, actor, action, target, facts, hash FROM audit WHERE number = 2",
    ],
)
def test_the_table_only_grows(database: Database, statement: str) -> None:
    store = Store(database)
    store.audit.add("ana", "one")
    store.audit.add("ana", "two")
    before = database.read("SELECT * FROM audit")
    with pytest.raises(StoreError, match="only grows"), database.write() as execute:
        execute(statement)
    assert database.read("SELECT * FROM audit") == before
    assert store.audit.verify().is_sound


@pytest.mark.parametrize(
    ("statement", "broken_at", "reason"),
    [
        ("UPDATE audit SET actor = 'nobody' WHERE number = 2", 2, "not as it was written"),
        ("UPDATE audit SET at = at + 0.001 WHERE number = 3", 3, "not as it was written"),
        ("UPDATE audit SET facts = '{ }' WHERE number = 1", 1, "not as it was written"),
        ("UPDATE audit SET hash = upper(hash) WHERE number = 5", 5, "not as it was written"),
        ("DELETE FROM audit WHERE number = 3", 3, "is missing"),
        ("DELETE FROM audit WHERE number = 1", 1, "is missing"),
        ("UPDATE audit SET number = 9 WHERE number = 4", 4, "is missing"),
        ("UPDATE audit SET number = -4 WHERE number = 4", 1, "is missing"),
    ],
)
def test_a_change_names_the_first_broken_entry(log: Path, statement: str, broken_at: int, reason: str) -> None:
    with tampered(log, statement) as store:
        found = store.audit.verify()
    assert (found.broken_at, found.is_sound) == (broken_at, False)
    assert reason in found.reason
    assert found.head.count == broken_at - 1


def test_a_change_whose_own_hash_was_made_anew_breaks_the_next_entry(log: Path) -> None:
    with tampered(log, "UPDATE audit SET actor = 'nobody' WHERE number = 2") as store:
        assert store.audit.verify().broken_at == 2
        row = store._database.read("SELECT number, at, actor, action, target, facts FROM audit WHERE number = 2")[0]
        before = store._database.read("SELECT hash FROM audit WHERE number = 1")[0][0]
        text = before + json.dumps(list(row), separators=(",", ":"))
        with store._database.write() as execute:
            execute("UPDATE audit SET hash = ? WHERE number = 2", (hashlib.sha256(text.encode()).hexdigest(),))
        assert store.audit.verify().broken_at == 3


def test_entries_cut_off_at_the_end_are_found_with_a_head(log: Path) -> None:
    with open_store(log) as store:
        head = Head.parse(str(store.audit.verify().head))
        assert head.count == 5
        assert store.audit.verify(head).is_sound
        store.audit.add("local", "later")
        assert store.audit.verify(head).is_sound  # it grew, and nothing else
    with tampered(log, "DELETE FROM audit WHERE number > 3") as store:
        assert store.audit.verify().is_sound  # the chain alone cannot know
        found = store.audit.verify(head)
    assert (found.broken_at, found.entries) == (4, 3)
    assert "ends after 3 entries, but it had 5" in found.reason


def test_a_log_written_anew_is_found_with_a_head(log: Path) -> None:
    with open_store(log) as store:
        head = store.audit.verify().head
    with tampered(log, "DELETE FROM audit") as store:
        for number in range(1, 6):
            store.audit.add("local", "test.count", f"other {number}")
        assert store.audit.verify().is_sound
        found = store.audit.verify(head)
    assert found.broken_at == 5
    assert "written anew" in found.reason


def test_an_empty_log_is_sound(store: Store) -> None:
    found = store.audit.verify()
    assert (found.is_sound, found.entries, str(found.head)) == (True, 0, f"0:{START}")
    assert store.audit.verify(found.head).is_sound


@pytest.mark.parametrize("text", ["", "5", ":", "5:abc", f"-1:{START}", f"x:{START}", f"5:{START.replace('0', 'G')}"])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no end of an audit log") as caught:
        Head.parse(text)
    assert caught.value.facts["field"] == "head"


HOSTILE = st.text(alphabet=st.characters(), max_size=700) | st.just("a\r\nFAKE entry\x1b[2J\x00\u202e\u2028\ud800b")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_an_entry_is_one_line_without_controls(store: Store, actor: str, target: str, fact: str) -> None:
    store.audit.add(actor, "test.add", target, said=fact)
    entry = store.audit.list(limit=1)[0]
    for text in (entry.actor, entry.target, str(entry.facts["said"])):
        assert len(text.splitlines()) <= 1
        assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in text)
        assert "\u202e" not in text
        assert len(text) <= 512 * 8
    assert store.audit.verify().is_sound


def test_the_chain_is_walked_over_several_pages(database: Database) -> None:
    with database.write() as execute:
        for number in range(2 * PAGE + 3):
            append(execute, Event("local", "test.many", str(number)), number)
    found = Store(database).audit.verify()
    assert (found.is_sound, found.entries, found.head.count) == (True, 2 * PAGE + 3, 2 * PAGE + 3)


def test_threads_and_processes_write_one_chain(tmp_path: Path) -> None:
    stores = [open_store(tmp_path / "x.db") for _ in range(3)]

    def write(store: Store) -> None:
        for number in range(20):
            store.audit.add("local", "test.count", str(number))

    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    found = stores[0].audit.verify()
    assert (found.is_sound, found.entries) == (True, 60)
    for store in stores:
        store.close()


def test_an_event_of_a_transaction_that_fails_is_not_logged(database: Database) -> None:
    def half() -> None:
        with database.write() as execute:
            append(execute, Event("local", "test.half"), 1.0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert Store(database).audit.list() == []
