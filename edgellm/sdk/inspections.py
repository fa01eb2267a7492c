"""Verdicts of the inspect child, remembered while a file stays the same."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from edgellm.hub.inspect import Inspection, inspect
from edgellm.paths import write_private


class _Entry(msgspec.Struct, frozen=True):
    size_bytes: int
    modified_ns: int
    inspection: Inspection


class Inspections:
    """Opens a file in the inspect child the first time, and again whenever its size or time changed."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._lock = threading.Lock()

    def of(self, path: Path) -> Inspection:
        """What the child found. Raises: ModelRejected."""
        status = path.stat()
        key = str(path.resolve())
        with self._lock:
            entries = self._read()
            entry = entries.get(key)
            if entry and (entry.size_bytes, entry.modified_ns) == (status.st_size, status.st_mtime_ns):
                return entry.inspection
            found = inspect(path)
            entries[key] = _Entry(status.st_size, status.st_mtime_ns, found)
            with suppress(OSError):  # a full disk forgets the verdict and refuses no model
                write_private(self._memory, msgspec.json.encode(entries))
            return found

    def _read(self) -> dict[str, _Entry]:
        try:
            return msgspec.json.decode(self._memory.read_bytes(), type=dict[str, _Entry])
        except (OSError, msgspec.DecodeError):
            return {}  # only a memory: every verdict can be found again
