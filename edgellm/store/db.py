"""The one door to SQLite: private files, safe settings, a connection per thread, typed errors."""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw

from edgellm.errors import StoreError
from edgellm.paths import PRIVATE_FILE, private_dir
from edgellm.store.file_kind import FileKind
from edgellm.store.migrations import MIGRATIONS, Migration

APPLICATION_ID = 0x4564474C
"""Marks the file as EdgeLLM's ("EdGL", SQLite's header field at offset 68)."""
STORE = FileKind(
    application_id=APPLICATION_ID,
    noun="store",
    check="PRAGMA quick_check(1)",
    damaged_hint="Move it away to begin with an empty store, or put a backup in its place.",
)
BUSY_TIMEOUT_S = 5.0

Row = tuple[Any, ...]
Execute = Callable[..., list[Row]]
"""(sql, parameters) to all result rows, inside one transaction."""


class Database:
    """One SQLite file, safe for several threads and several processes.

    What `write` has committed survives a killed process and a power cut (WAL, synchronous FULL, F_FULLFSYNC on
    macOS). A file that is damaged, foreign or from a newer EdgeLLM is refused and not changed.
    """

    def __init__(
        self,
        path: Path,
        *,
        kind: FileKind = STORE,
        migrations: Sequence[Migration] = MIGRATIONS,
        clock: Callable[[], float] = time.time,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        """Raises: StoreDamaged, StoreTooNew, StoreBusy, DiskFull, StoreError."""
        self.path = path
        self.kind = kind
        self.clock = clock
        self._busy_timeout_s = busy_timeout_s
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, apsw.Connection] = {}
        self._is_closed = False
        _create_private(path, kind)
        try:
            with self._translated():
                _refuse_unusable(path, kind, len(migrations), busy_timeout_s)
                path.chmod(PRIVATE_FILE)
            self._migrate(migrations)
        except BaseException:
            self.close()
            raise

    def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """All rows of one query."""
        connection = self._connection()
        with self._translated(connection):
            return list(connection.execute(sql, parameters))

    @contextmanager
    def write(self) -> Iterator[Execute]:
        """A transaction: commits when the block ends, changes nothing when it raises. Not nestable."""
        with self._transaction("BEGIN IMMEDIATE") as execute:
            yield execute

    @contextmanager
    def snapshot(self) -> Iterator[Execute]:
        """A transaction for reading: every query of the block sees the same state. Not nestable."""
        with self._transaction("BEGIN") as execute:
            yield execute

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Execute]:
        connection = self._connection()
        with self._translated(connection):
            connection.execute(begin)
            try:
                yield lambda sql, parameters=(): list(connection.execute(sql, parameters))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close every thread's connection; the last one in any process folds the WAL into the file.

        What another thread is doing at this moment is waited for; its next use is refused.
        """
        with self._lock:
            self._is_closed = True
            connections, self._connections = self._connections, {}
        deadline = time.monotonic() + self._busy_timeout_s
        with self._translated():
            for connection in connections.values():
                _close_when_idle(connection, deadline)

    def _connection(self) -> apsw.Connection:
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is None or self._is_closed:
            with self._lock, self._translated():
                if self._is_closed:
                    raise self.kind.closed(self.path)
                self._close_orphans()
                connection = _connect(self.path, self.kind, self._busy_timeout_s)
                self._connections[threading.current_thread()] = self._local.connection = connection
        return connection

    def _close_orphans(self) -> None:
        """Close connections whose thread has ended."""
        for thread in [thread for thread in self._connections if not thread.is_alive()]:
            self._connections.pop(thread).close()

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        while self.read("PRAGMA user_version")[0][0] < len(migrations):
            with self.write() as execute:
                version: int = execute("PRAGMA user_version")[0][0]  # again: another process may have been first
                if version >= len(migrations):
                    return
                if version == 0:
                    execute(f"PRAGMA application_id = {self.kind.application_id}")
                    execute("CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT, applied_at REAL) STRICT")
                migration = migrations[version]
                migration(execute)
                record = (version + 1, migration.__name__, self.clock())
                execute("INSERT INTO migrations VALUES (?, ?, ?)", record)
                execute(f"PRAGMA user_version = {version + 1}")

    @contextmanager
    def _translated(self, connection: apsw.Connection | None = None) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except (apsw.BusyError, apsw.LockedError) as error:
            raise self.kind.busy(self.path) from error
        except apsw.FullError as error:
            raise self.kind.disk_full(self.path) from error
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise self.kind.damaged(self.path, str(error)) from error
        except apsw.Error as error:
            code = connection.system_errno if connection is not None else 0
            if isinstance(error, apsw.IOError) and code in (errno.ENOSPC, errno.EDQUOT):
                raise self.kind.disk_full(self.path) from error
            raise self.kind.failed(self.path, error) from error
        except OSError as error:
            raise self.kind.os_error(self.path, error) from error


def _create_private(path: Path, kind: FileKind) -> None:
    """An empty file only the owner can read, where there is none; SQLite gives its WAL the same mode."""
    try:
        private_dir(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        os.fchmod(descriptor, PRIVATE_FILE)  # the umask may have cut the owner's rights, too
        os.close(descriptor)
    except FileExistsError:
        return
    except OSError as error:
        raise kind.os_error(path, error) from error


def _refuse_unusable(path: Path, kind: FileKind, known_version: int, busy_timeout_s: float) -> None:
    """Look at an existing file in ways that cannot change it, nor leave anything beside it where nobody uses it."""
    with path.open("rb") as file:
        magic = file.read(16)
    if not magic:
        return
    if magic != b"SQLite format 3\x00":
        raise kind.damaged(path, "it is no SQLite file")
    wal = path.with_name(path.name + "-wal")
    address = "file:" + quote(str(path))
    if not wal.exists():
        try:
            _check(address + "?immutable=1", path, kind, known_version, 0)
        except (StoreError, apsw.Error):
            if not wal.exists():
                raise  # otherwise another process began to use the file while it was read without locks
        else:
            return
    _check(address + "?mode=ro", path, kind, known_version, busy_timeout_s)


def _check(address: str, path: Path, kind: FileKind, known_version: int, busy_timeout_s: float) -> None:
    connection = apsw.Connection(address, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        connection.set_busy_handler(_patience(busy_timeout_s))
        connection.execute("BEGIN")  # one snapshot: another process may create the tables between two reads
        application, version = connection.pragma("application_id"), connection.pragma("user_version")
        is_blank = connection.execute("SELECT count(*) FROM sqlite_schema").get == 0
        if application != kind.application_id and not (is_blank and application == version == 0):
            raise kind.damaged(path, "another program made it")
        if version > known_version:
            raise kind.too_new(path, version, known_version)
        connection.drop_modules(None)  # the structure of every table, but not the search index word by word: 6x faster
        finding = connection.execute(kind.check).get if not is_blank else "ok"
        if finding != "ok":
            raise kind.damaged(path, f"its structure is broken ({finding})")
    finally:
        connection.close()


def _connect(path: Path, kind: FileKind, busy_timeout_s: float) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_handler(_patience(busy_timeout_s))
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
        connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
        if kind.has_vectors:
            _load_sqlite_vec(connection)
        connection.pragma("page_size", kind.page_bytes)  # of a new file
        _switch_to_wal(connection, path, kind, busy_timeout_s)
        for pragma, value in (
            ("synchronous", "FULL"),
            ("foreign_keys", True),
            ("fullfsync", True),
            ("checkpoint_fullfsync", True),
            ("cell_size_check", True),
            ("secure_delete", True),  # what the user deletes is overwritten
        ):
            connection.pragma(pragma, value)
    except BaseException:
        connection.close()
        raise
    return connection


def _load_sqlite_vec(connection: apsw.Connection) -> None:
    """Its functions, for this connection; SQL itself can load nothing, neither before nor after."""
    import sqlite_vec  # the store of chats does without

    connection.enable_load_extension(True)
    try:
        connection.load_extension(sqlite_vec.loadable_path())
    finally:
        connection.enable_load_extension(False)


def _close_when_idle(connection: apsw.Connection, deadline: float) -> None:
    """Close a connection once the statement that its own thread runs has ended."""
    while True:
        try:
            return connection.close()
        except apsw.ThreadingViolationError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.002)


def _patience(limit_s: float) -> Callable[[int], bool]:
    """Wait for a lock with a look every few ms; SQLite's own way, up to 100 ms, starves beside a busy writer."""
    deadline = 0.0

    def wait(attempt: int) -> bool:
        nonlocal deadline
        if attempt == 0:
            deadline = time.monotonic() + limit_s
        time.sleep(random.uniform(0.0005, 0.004))
        return time.monotonic() < deadline

    return wait


def _switch_to_wal(connection: apsw.Connection, path: Path, kind: FileKind, patience_s: float) -> None:
    """SQLite does not wait by itself when two processes switch a new file at the same time."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            mode = connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise kind.no_wal(path, mode)
        return
