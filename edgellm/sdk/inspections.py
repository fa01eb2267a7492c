"""Verdicts of the inspect child, remembered while a file stays the same, whatever it is called."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from edgellm.decoding import from_json
from edgellm.hub.inspect import Inspection, inspect
from edgellm.hub.installed import Library
from edgellm.paths import Home, write_private


class _Entry(msgspec.Struct, frozen=True):
    size_bytes: int
    modified_ns: int
    inspection: Inspection


def library_in(home: Home) -> Library:
    """The models of a home, with a memory of what their inspection found."""
    return Library(home, Inspections(home.cache / "inspections.json").of)


class Inspections:
    """Opens a file in the inspect child the first time, and again whenever its size or time changed. Thread-safe."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._memory_lock = threading.Lock()
        self._file_locks: dict[str, threading.Lock] = {}

    def of(self, path: Path) -> Inspection:
        """What the child found; who asks for a file that is being opened waits for the same. Raises: ModelRejected."""
        status = path.stat()
        key = f"{status.st_dev}:{status.st_ino}"  # a file that enters the library gets another name, and stays known
        with self._file_locks.setdefault(key, threading.Lock()):
            entry = self._read().get(key)
            if entry and (entry.size_bytes, entry.modified_ns) == (status.st_size, status.st_mtime_ns):
                return entry.inspection
            found = inspect(path)
            self._remember(key, _Entry(status.st_size, status.st_mtime_ns, found))
            return found

    def _remember(self, key: str, entry: _Entry) -> None:
        """A full disk forgets the verdict and refuses no model."""
        with self._memory_lock, suppress(OSError):
            write_private(self._memory, msgspec.json.encode(self._read() | {key: entry}))

    def _read(self) -> dict[str, _Entry]:
        try:
            return from_json(self._memory.read_bytes(), type=dict[str, _Entry])
        except (OSError, msgspec.DecodeError):
            return {}  # only a memory: every verdict can be found again
