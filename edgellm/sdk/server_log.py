"""What a server noted of its own trouble, read again."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from edgellm.decoding import from_json

READ_BYTES = 1024 * 1024
"""Of the log's end: some hundreds of entries."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """An error of a server's own: a status of 500 and above, or something that could not be kept."""

    at: float
    """Seconds since the epoch."""
    route: str
    error: str
    """Its class."""
    trace: str
    """Where it came from, in Python's words."""


def newest(path: Path, limit: int) -> list[Trouble]:
    """The last entries of a log, newest first; none where there is no log. What is not an entry is passed over."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - READ_BYTES))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    found = [trouble for line in reversed(lines) if (trouble := _read(line)) is not None]
    return found[:limit]


def _read(line: bytes) -> Trouble | None:
    """None: the rest of a line whose beginning was not read, or one that is being written."""
    try:
        return from_json(line, type=Trouble)
    except msgspec.DecodeError:
        return None
