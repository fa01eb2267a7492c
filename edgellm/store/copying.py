"""A consistent copy of a SQLite file of ours, also while other processes write into it."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import apsw

from edgellm.paths import PRIVATE_FILE, private_dir
from edgellm.store.file_kind import FileKind

BUSY_TIMEOUT_MS = 10_000


def copy_database(source: Path, target: Path, kind: FileKind) -> None:
    """Copy the last committed state into a new private file, which needs no other file beside it.

    SQLite's backup: https://sqlite.org/backup.html. Raises: StoreDamaged, StoreBusy, DiskFull, StoreError.
    """
    try:
        private_dir(target.parent)
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
        with closing(_connection(source)) as read, closing(_connection(target)) as write:
            with write.backup("main", read, "main") as copying:
                copying.step(-1)
            write.pragma("journal_mode", "delete")
    except (apsw.BusyError, apsw.LockedError) as error:
        raise kind.busy(source) from error
    except apsw.FullError as error:
        raise kind.disk_full(target) from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise kind.damaged(source, str(error)) from error
    except apsw.Error as error:
        raise kind.failed(source, error) from error
    except OSError as error:
        raise kind.os_error(target, error) from error


def _connection(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    return connection
