"""The store under kill -9, full and failing disks, and several processes at once."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

from edgellm.errors import DiskFull, StoreError
from edgellm.store import Store, open_store
from edgellm.store.db import Database
from edgellm.store.migrations import MIGRATIONS, Execute

USUAL = apsw.vfs_names()[0]

WRITER = """
import os, sys, threading
from pathlib import Path
from edgellm.store import open_store

store = open_store(Path(sys.argv[1]))
name, count = sys.argv[2], int(sys.argv[3])
session = store.sessions.create(title=name)

def write(thread):
    for number in range(count):
        text = f"{name} {thread} {number} " + "padding " * (number % 20)
        message = store.sessions.append(session.id, "user", text)
        os.write(1, f"{message.id} {len(text)}\\n".encode())  # the acknowledgement: one atomic write

threads = [threading.Thread(target=write, args=(thread,)) for thread in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
store.close()
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)  # buffered, readline would take lines away


def later(execute: Execute) -> None:
    execute("ALTER TABLE sessions ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'")
    execute("UPDATE sessions SET colour = 'blue'")
    execute("CREATE INDEX sessions_by_colour ON sessions (colour)")


VERSIONS = (*MIGRATIONS, later)


def check_index(path: Path, versions: int = len(MIGRATIONS)) -> None:
    """Raise when the file or its search index is damaged; opening runs quick_check."""
    database = Database(path, migrations=VERSIONS[:versions])
    with database.write() as execute:
        execute("INSERT INTO messages_search (messages_search, rank) VALUES ('integrity-check', 1)")
    assert database.read("PRAGMA foreign_key_check") == []
    database.close()


def killed_rounds(path: Path, rounds: int) -> int:
    """Kill two processes with two writers each, again and again; returns how many messages were acknowledged."""
    dice, total = random.Random(rounds), 0
    for number in range(rounds):
        processes = [writer(path, f"{number}-{side}", 1_000_000) for side in "ab"]
        acknowledged = [process.stdout.readline() for process in processes if process.stdout]
        time.sleep(dice.uniform(0.005, 0.15))
        for process in processes:
            process.kill()
        for process in processes:
            acknowledged += process.communicate(timeout=30)[0].splitlines(keepends=True)
        with open_store(path) as store:
            for line in acknowledged:
                message_id, length = line.decode().split()
                assert len(store.sessions.message(message_id).content) == int(length)
        check_index(path)
        total += len(acknowledged)
    return total


def test_nothing_acknowledged_is_lost_when_writers_are_killed(tmp_path: Path) -> None:
    assert killed_rounds(tmp_path / "x.db", rounds=5) > 10


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_acknowledged_is_lost_in_sixty_kills(tmp_path: Path) -> None:
    assert killed_rounds(tmp_path / "x.db", rounds=60) > 120


def test_two_processes_share_one_new_store(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    processes = [writer(path, name, 40) for name in ("left", "right")]
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert len(out.splitlines()) == 80
    with open_store(path) as store:
        assert sorted(session.title for session in store.sessions.list()) == ["left", "right"]
        for session in store.sessions.list():
            assert len(store.sessions.path(session.id)) == 80  # no message lost its place
            assert {hit.title for hit in store.sessions.search(session.title)} == {session.title}
    check_index(path)


class Disk:
    """A disk that fails at its n-th change, once or from then on."""

    def __init__(self) -> None:
        self.changes_left: int | None = None
        self.error: type[apsw.Error] = apsw.FullError
        self.stays_broken = False

    def arm(self, changes: int, error: type[apsw.Error], *, stays_broken: bool) -> None:
        self.changes_left, self.error, self.stays_broken = changes, error, stays_broken

    def change(self) -> None:
        """Called before every write, sync, truncation and deletion."""
        if self.changes_left is None:
            return
        self.changes_left -= 1
        if self.changes_left == 0 or (self.changes_left < 0 and self.stays_broken):
            raise self.error("the disk fails on purpose")

    @property
    def has_failed(self) -> bool:
        return self.changes_left is not None and self.changes_left <= 0


class FailingFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self.disk = disk
        super().__init__(USUAL, name, flags)

    def xWrite(self, data: Any, offset: int) -> None:
        self.disk.change()
        super().xWrite(data, offset)

    def xSync(self, _flags: int) -> None:
        self.disk.change()  # and no real sync: nobody cuts the power here

    def xTruncate(self, size: int) -> None:
        self.disk.change()
        super().xTruncate(size)


class FailingVFS(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        super().__init__("failing", USUAL)

    def xOpen(self, name: Any, flags: list[int]) -> FailingFile:
        return FailingFile(self.disk, name, flags)

    def xDelete(self, name: str, sync_directory: bool) -> None:
        self.disk.change()
        super().xDelete(name, sync_directory)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Everything that SQLite opens during the test lies on this disk."""
    disk = Disk()
    vfs = FailingVFS(disk)
    apsw.set_default_vfs("failing")
    yield disk
    apsw.set_default_vfs(USUAL)
    vfs.unregister()


@contextmanager
def on_healthy_disk() -> Iterator[None]:
    apsw.set_default_vfs(USUAL)
    yield
    apsw.set_default_vfs("failing")


def contents(path: Path, versions: int) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, and the schema's version."""
    database = Database(path, migrations=VERSIONS[:versions])
    tables = [name for (name,) in database.read("SELECT name FROM sqlite_schema WHERE type = 'table' AND name != 'x'")]
    rows = {name: database.read(f"SELECT * FROM {name}") for name in tables if "search" not in name}
    rows["version"] = database.read("PRAGMA user_version")
    database.close()
    return rows


Act = Callable[[Path], object]


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    store = open_store(path)
    try:
        yield store
    finally:
        with suppress(StoreError):  # the disk may still be broken
            store.close()


def create_session(path: Path) -> None:
    with opened(path) as store:
        store.sessions.create(title="new")


def append(path: Path) -> None:
    with opened(path) as store:
        store.sessions.append(store.sessions.list()[0].id, "user", "many words " * 2000)


def rate(path: Path) -> None:
    with opened(path) as store:
        session = store.sessions.list()[0]
        assert session.head is not None
        store.feedback.rate(session.head, 1)


def delete(path: Path) -> None:
    with opened(path) as store:
        store.sessions.delete(store.sessions.list()[0].id)


def migrate(path: Path) -> None:
    Database(path, migrations=VERSIONS).close()


def without_ids_and_times(rows: dict[str, list[tuple[Any, ...]]]) -> str:
    """What two runs of the same act have in common."""
    return repr(
        {name: [[value for value in row if not is_id_or_time(value)] for row in table] for name, table in rows.items()}
    )


def is_id_or_time(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, str) and len(value) == 26)


def failure_of(act: Act, path: Path) -> StoreError | None:
    try:
        act(path)
    except StoreError as error:
        return error
    return None


def copy_of(folder: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    return target / "x.db"


def faults(folder: Path, scratch: Path, disk: Disk, act: Act, error: type[apsw.Error]) -> Sequence[bool]:
    """Do the act with a failure at change 1, 2, 3, ... until it goes through; returns whether each run was undone."""
    with_later = len(MIGRATIONS) + (act is migrate)
    before = without_ids_and_times(contents(copy_of(folder, scratch), len(MIGRATIONS)))
    path = copy_of(folder, scratch)
    act(path)
    after = without_ids_and_times(contents(path, with_later))
    assert after != before
    undone: list[bool] = []
    while True:
        path = copy_of(folder, scratch)
        disk.arm(len(undone) // 2 + 1, error, stays_broken=bool(len(undone) % 2))
        failure = failure_of(act, path)
        assert failure is None or str(path) in failure.message
        assert failure is None or isinstance(failure, DiskFull) == (error is apsw.FullError)
        has_failed = disk.has_failed
        disk.changes_left = None
        with on_healthy_disk():
            version = schema_version(path)
            found = without_ids_and_times(contents(path, version))
            check_index(path, version)
        assert found == after if failure is None else found in (before, after)
        if not has_failed:
            return undone
        undone.append(found == before)


def schema_version(path: Path) -> int:
    connection = apsw.Connection(str(path))
    version: int = connection.pragma("user_version")
    connection.close()
    return version


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small store, closed."""
    with open_store(tmp_path / "start" / "x.db") as store:
        session = store.sessions.create(title="old")
        for number in range(20):
            store.sessions.append(session.id, "assistant", f"message {number} " * 30)
    return tmp_path / "start"


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
@pytest.mark.parametrize("act", [create_session, append, rate, delete, migrate])
def test_a_failing_disk_leaves_exactly_before_or_after(
    folder: Path, tmp_path: Path, disk: Disk, act: Act, error: type[apsw.Error]
) -> None:
    undone = faults(folder, tmp_path / "scratch", disk, act, error)
    assert len(undone) >= 8  # at least a few writes, a sync and the checkpoint were reached
    assert any(undone)
    assert not all(undone)


def test_a_disk_that_fails_at_birth_leaves_nothing_in_the_way(tmp_path: Path, disk: Disk) -> None:
    for changes in range(1, 200):
        path = tmp_path / str(changes) / "x.db"
        disk.arm(changes, apsw.FullError, stays_broken=True)
        with suppress(DiskFull):
            create_session(path)
        has_failed = disk.has_failed
        disk.changes_left = None
        with on_healthy_disk(), open_store(path) as store:
            assert [session.title for session in store.sessions.list()] in ([], ["new"])
        if not has_failed:
            return
    pytest.fail("the store never opened")


FULL_DISK = """
import sys
from pathlib import Path
from edgellm.errors import DiskFull
from edgellm.store import open_store

folder = Path(sys.argv[1])
ballast = folder / "ballast"
ballast.write_bytes(bytes(500_000))
store = open_store(folder / "x.db")
session = store.sessions.create()
kept = []
try:
    while True:
        kept.append(store.sessions.append(session.id, "user", "words and words " * 500).id)
except DiskFull as error:
    assert str(folder / "x.db") in error.message
assert [message.id for message in store.sessions.path(session.id)] == kept
ballast.unlink()
kept.append(store.sessions.append(session.id, "user", "there is room again").id)
store.close()
with open_store(folder / "x.db") as store:
    assert [message.id for message in store.sessions.path(session.id)] == kept
print(len(kept))
"""


def test_a_really_full_disk(tmp_path: Path) -> None:
    """A 3 MB file system, mounted in a namespace of the child's own."""
    alone = ["unshare", "-m", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=3m none "$1"'
    if (
        not shutil.which("unshare")
        or subprocess.run([*alone, mount, "sh", str(tmp_path)], capture_output=True).returncode
    ):
        pytest.skip("mounting a small file system needs root and Linux namespaces")
    command = [*alone, f'{mount} && exec "$2" -c "$3" "$1"', "sh", str(tmp_path), sys.executable, FULL_DISK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
