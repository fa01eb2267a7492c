"""Files and passages of a collection, read inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgellm.retrieval.collection.records import CHUNK_COLUMNS, StoredChunk, chunk_from
from edgellm.retrieval.collection.schema import damaged
from edgellm.retrieval.collection.texts import read_text
from edgellm.store.db import Execute

MOST_ID = 2**63
"""Ids in SQLite are below this."""
_BY_ID = f"SELECT {CHUNK_COLUMNS}, (SELECT name FROM files WHERE id = file) FROM chunks WHERE id = ?"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file's id, and which passages are its own."""

    file: int
    name: str
    first: int
    """Id of its first passage; the others follow."""
    count: int

    def __post_init__(self) -> None:
        """Raises: StoreDamaged for passages that no collection can have."""
        if min(self.first, self.count) < 0 or self.first + self.count >= MOST_ID:
            raise damaged(f"{self.name}: it cannot have {self.count} passages from {self.first} on.")


def find_file(execute: Execute, name: str) -> FileEntry | None:
    """The file of that name."""
    rows = execute("SELECT id, name, first_chunk, chunk_count FROM files WHERE name = ?", (name,))
    return FileEntry(*rows[0]) if rows else None


def chunks_at(execute: Execute, entry: FileEntry) -> list[StoredChunk]:
    """All passages of a file, in order."""
    rows = execute(
        f"SELECT {CHUNK_COLUMNS} FROM chunks WHERE id >= ? AND id < ? ORDER BY id",
        (entry.first, entry.first + entry.count),
    )
    text = read_text(execute, entry.file, 0, max((row[3] for row in rows), default=0))
    return [chunk_from(row, entry.name, text[row[2] : row[3]]) for row in rows]


def chunks_by_id(execute: Execute, ids: Sequence[int]) -> list[StoredChunk]:
    """The passages with these ids, in their order; those that are gone are left out."""
    rows = [row for number in ids for row in execute(_BY_ID, (number,))]
    return [chunk_from(row[:7], row[7], read_text(execute, row[1], row[2], row[3])) for row in rows]
