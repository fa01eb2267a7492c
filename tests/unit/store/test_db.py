"""The door to SQLite: safe settings, private files, refusals that change nothing, threads."""

from __future__ import annotations

import os
import random
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from edgellm.errors import DiskFull, StoreBusy, StoreDamaged, StoreError, StoreTooNew
from edgellm.store import open_store
from edgellm.store.db import APPLICATION_ID, Database
from edgellm.store.migrations import MIGRATIONS, Execute, Migration

USAGE = "INSERT INTO usage (number, at, model, prompt_tokens, cached_tokens, completion_tokens, timings)"


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in [folder, *folder.iterdir()]}


def content(path: Path) -> dict[str, bytes]:
    """The file and its companions, byte by byte."""
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


def tomorrow(execute: Execute) -> None:
    execute("CREATE TABLE tomorrow (x)")


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_files_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with open_store(tmp_path / "data" / "x.db") as store:
            store.sessions.create()
            found = modes(tmp_path / "data")
    finally:
        os.umask(before)
    assert found == {"data": "0o700", "x.db": "0o600", "x.db-wal": "0o600", "x.db-shm": "0o600"}


def test_a_lax_mode_is_tightened(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    open_store(path).close()
    path.chmod(0o644)
    open_store(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_settings_that_durability_and_safety_rest_on(database: Database) -> None:
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "fullfsync": 1,
        "checkpoint_fullfsync": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "secure_delete": 1,
        "application_id": APPLICATION_ID,
        "user_version": len(MIGRATIONS),
    }
    assert {name: database.read(f"PRAGMA {name}")[0][0] for name in wanted} == wanted


def test_defensive_mode_and_no_extensions(database: Database) -> None:
    with pytest.raises(StoreError, match="may not be modified"):
        database.read("DELETE FROM messages_search_data")
    with pytest.raises(StoreError, match="not authorized"):
        database.read("SELECT load_extension('x')")
    with pytest.raises(StoreError, match="attached"):
        database.read("ATTACH '/tmp/x' AS y")
    with pytest.raises(StoreError, match="no such column"):
        database.read('SELECT "text that is no column"')


def test_a_transaction_that_raises_changes_nothing(database: Database) -> None:
    insert = f"{USAGE} VALUES (1, 0, 'm', 1, 1, 1, '{{}}')"

    def twice() -> None:
        with database.write() as execute:
            execute(insert)
            execute(insert)

    with pytest.raises(StoreError, match="UNIQUE"):
        twice()
    assert database.read("SELECT * FROM usage") == []
    with database.write() as execute:
        execute(insert)
    assert len(database.read("SELECT * FROM usage")) == 1


def test_a_snapshot_sees_one_state(tmp_path: Path) -> None:
    first, second = Database(tmp_path / "x.db"), Database(tmp_path / "x.db")
    with second.snapshot() as execute:
        assert execute("SELECT count(*) FROM usage") == [(0,)]
        with first.write() as write:
            write(f"{USAGE} VALUES (1, 0, 'm', 1, 1, 1, '{{}}')")
        assert execute("SELECT count(*) FROM usage") == [(0,)]
    assert second.read("SELECT count(*) FROM usage") == [(1,)]
    first.close()
    second.close()


def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"), database.write() as execute:
        execute("INSERT INTO messages (id, session_id, role, content, created_at) VALUES ('a', 'none', 'user', '', 0)")


def test_every_thread_has_a_connection_and_ended_threads_leave_none(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.db")
    seen: list[int] = []

    def look() -> None:
        seen.append(id(database._connection()))
        assert database._connection() is database._connection()

    for _ in range(5):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert len(seen) == 5
    assert len(database._connections) <= 2  # this thread's and the last one's
    database.close()
    assert list(tmp_path.iterdir()) == [tmp_path / "x.db"]  # closed properly: the WAL is folded in


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path / "x.db")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.sessions.list()


def test_closing_waits_for_what_other_threads_are_doing(tmp_path: Path) -> None:
    store = open_store(tmp_path / "x.db")
    session = store.sessions.create()
    kept: list[str] = []

    def write() -> None:
        with suppress(StoreError):
            while True:
                kept.append(store.sessions.append(session.id, "user", "word " * 1000).id)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(kept) < 20:
        time.sleep(0.01)
    store.close()
    for thread in threads:
        thread.join(timeout=30)
    assert list(tmp_path.iterdir()) == [tmp_path / "x.db"]  # no connection is left over
    with open_store(tmp_path / "x.db") as again:
        assert {message.id for message in again.sessions.path(session.id)} >= set(kept)


def test_a_lock_that_is_held_too_long_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    first, second = Database(path), Database(path, busy_timeout_s=0.05)
    with first.write() as execute:
        execute("SELECT 1")
        with pytest.raises(StoreBusy) as caught, second.write():
            pass
        assert second.read("SELECT count(*) FROM sessions") == [(0,)]  # readers never wait
    assert caught.value.facts == {"path": str(path)}
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("text", b"Dear diary, this is not a database at all.\n" * 100),
        ("one byte", b"S"),
        ("cut header", b"SQLite format 3\x00"),
        ("zeros", bytes(8192)),
        ("header, then noise", b"SQLite format 3\x00" + bytes(random.Random(1).randbytes(8192))),
    ],
)
def test_what_is_no_database_is_refused_untouched(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(data)
    path.chmod(0o640)
    with pytest.raises(StoreDamaged) as caught:
        open_store(path)
    assert str(path) in caught.value.message, name
    assert content(path) == {"x.db": data}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE recipes (name)")
    other.close()
    before = content(path)
    with pytest.raises(StoreDamaged, match="another program"):
        open_store(path)
    assert content(path) == before


def test_a_newer_store_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with open_store(path) as store:
        store.sessions.create(title="from the future")
    newer: list[Migration] = [*MIGRATIONS, tomorrow]
    Database(path, migrations=newer).close()
    before = content(path)
    with pytest.raises(StoreTooNew) as caught:
        open_store(path)
    assert caught.value.facts == {"found_version": len(newer), "known_version": len(MIGRATIONS)}
    assert content(path) == before


def test_a_newer_store_in_use_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    newer: list[Migration] = [*MIGRATIONS, tomorrow]
    holder = Database(path, migrations=newer)  # the version is still in the WAL, not in the file
    with pytest.raises(StoreTooNew):
        open_store(path)
    holder.close()


def test_cut_and_overwritten_files_are_refused_untouched_or_work(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with open_store(path) as store:
        session = store.sessions.create(title="whole")
        for number in range(50):
            store.sessions.append(session.id, "user", f"message {number} " * 40)
    whole = path.read_bytes()
    dice = random.Random(7)
    refused = 0
    for attempt in range(60):
        data = bytearray(whole)
        if attempt % 2:
            del data[dice.randrange(200, len(data)) :]
        else:
            start = dice.randrange(100, len(data) - 600)
            data[start : start + 600] = dice.randbytes(600)
        path.write_bytes(data)
        try:
            with open_store(path) as store:
                store.sessions.list()
        except StoreDamaged:
            refused += 1
            assert content(path) == {"x.db": data}
        else:
            assert attempt % 2 == 0, "a cut file was opened"
    assert refused > 35  # the others hit only text, which carries no checksum, or free space


def test_an_empty_file_is_a_new_store(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.touch()
    with open_store(path) as store:
        assert store.sessions.list() == []


def test_a_folder_in_the_way_and_one_that_cannot_be_made_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.db").mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(tmp_path / "x.db")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(Path("/proc/nowhere/x.db"))


def test_a_full_file_system_is_disk_full(database: Database) -> None:
    database.read("PRAGMA max_page_count = 1")  # SQLite's own limit ends in the same error code as the disk's
    with pytest.raises(DiskFull) as caught, database.write() as execute:
        execute(f"{USAGE} VALUES (1, 0, hex(randomblob(1000000)), 1, 1, 1, '{{}}')")
    assert caught.value.facts == {"path": str(database.path)}
    assert database.read("SELECT count(*) FROM sessions") == [(0,)]
