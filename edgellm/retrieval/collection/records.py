"""What a collection tells about a file and about a passage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import msgspec

from edgellm.decoding import from_json
from edgellm.retrieval.collection.schema import damaged
from edgellm.retrieval.values import Chunk, SourceFile
from edgellm.store.db import Row

FileStatus = Literal["ready", "failed"]
FILE_COLUMNS = (
    "name, sha256, size, modified, tags, status, reason, kind, title, pages, written, notices, characters, "
    "chunk_count, added_at"
)
CHUNK_COLUMNS = "id, file, start, end, page, headings, tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a collection."""

    file: SourceFile
    status: FileStatus
    reason: str | None
    """Why it failed, in words; None when it did not."""
    kind: str | None
    title: str | None
    pages: int | None
    written: str | None
    notices: tuple[str, ...]
    characters: int
    """Length of its text."""
    chunks: int
    added_at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChunk:
    """A passage of a collection."""

    id: int
    file: str
    """The file's name."""
    chunk: Chunk


def file_from(row: Row) -> StoredFile:
    """A file, from a row of `FILE_COLUMNS`."""
    name, sha256, size, modified, tags, status, reason, kind, title, pages, written, notices, characters, *rest = row
    return StoredFile(
        file=SourceFile(name=name, sha256=sha256, size=size, modified=modified, tags=words_in(tags)),
        status=cast(FileStatus, status),
        reason=reason,
        kind=kind,
        title=title,
        pages=pages,
        written=written,
        notices=words_in(notices),
        characters=characters,
        chunks=rest[0],
        added_at=rest[1],
    )


def chunk_from(row: Row, name: str, text: str) -> StoredChunk:
    """A passage, from a row of `CHUNK_COLUMNS`, its file's name and its own text."""
    number, _, start, end, page, headings, tokens = row
    chunk = Chunk(text=text, start=start, end=end, headings=words_in(headings), page=page, tokens=tokens)
    return StoredChunk(id=number, file=name, chunk=chunk)


def words_in(column: str) -> tuple[str, ...]:
    """The texts that a column holds as JSON. Raises: StoreDamaged."""
    try:
        return from_json(column, type=tuple[str, ...])
    except msgspec.DecodeError as error:
        raise damaged(f"A list in the collection cannot be read: {error}.", str(error)) from error
