"""A file's rows: made before the transaction, put and removed inside it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from edgellm.retrieval.collection import spaces
from edgellm.retrieval.collection.bits import Floats
from edgellm.retrieval.collection.reading import FileEntry, chunks_at, find_file
from edgellm.retrieval.collection.texts import pieces, storable
from edgellm.retrieval.collection.words import folded, spaced
from edgellm.retrieval.values import Chunk, Document, SourceFile
from edgellm.store.db import Execute

_INSERT_FILE = """INSERT INTO files (
        name, sha256, size, modified, tags, day, status, reason, kind, title, pages, written, notices, characters,
        first_chunk, chunk_count, added_at
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"""
_INSERT_CHUNK = "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class FileRows:
    """Everything that is written for one file, but for its vectors."""

    file: tuple[object, ...]
    """Columns of `files` up to `characters`."""
    texts: Sequence[tuple[int, bytes]]
    chunks: Sequence[tuple[object, ...]]
    """Columns of `chunks` from `start` on."""
    words: Sequence[str]


def ready_rows(file: SourceFile, document: Document, chunks: Sequence[Chunk]) -> FileRows:
    """The rows of a file that was read."""
    written = _day(document.written)
    title = None if document.title is None else storable(document.title)
    notices = json.dumps([storable(notice) for notice in document.notices])
    about = (document.kind, title, document.pages, written, notices, len(document.text))
    return FileRows(
        file=(*_source_columns(file, written), "ready", None, *about),
        texts=list(pieces(storable(document.text))),
        chunks=[(chunk.start, chunk.end, chunk.page, _headings(chunk), chunk.tokens) for chunk in chunks],
        words=[indexed_words(chunk) for chunk in chunks],
    )


def failed_rows(file: SourceFile, reason: str) -> FileRows:
    """The rows of a file that could not be read."""
    about = (None, None, None, None, "[]", 0)
    return FileRows((*_source_columns(file, None), "failed", storable(reason), *about), (), (), ())


def insert_rows(execute: Execute, rows: FileRows) -> FileEntry:
    """Write a file whose name is not in the collection. Returns: where it is now."""
    used = execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'")
    first = used[0][0] + 1 if used else 1
    file = execute(_INSERT_FILE, (*rows.file, first, len(rows.chunks), time.time()))[0][0]
    for start, piece in rows.texts:
        execute("INSERT INTO texts VALUES (?, ?, ?)", (file, start, piece))
    for number, (columns, words) in enumerate(zip(rows.chunks, rows.words, strict=True), first):
        execute(_INSERT_CHUNK, (number, file, *columns))
        execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (number, words))
    return FileEntry(file, str(rows.file[0]), first, len(rows.chunks))


def insert_file(execute: Execute, space: spaces.Space, rows: FileRows, vectors: Floats | None) -> None:
    """Put a file in the place of the one with its name, if there is one."""
    delete_file(execute, str(rows.file[0]))
    entry = insert_rows(execute, rows)
    if vectors is not None and entry.count:
        spaces.put_vectors(execute, space, entry.file, entry.first, vectors)
    mark_change(execute)


def delete_file(execute: Execute, name: str) -> bool:
    """Remove a file with everything that was made from it. Returns: whether it was there."""
    entry = find_file(execute, name)
    if entry is None:
        return False
    forget = "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)"
    for stored in chunks_at(execute, entry):
        execute(forget, (stored.id, indexed_words(stored.chunk)))
    for space in spaces.every(execute):
        spaces.remove_vectors(execute, space, entry.file, entry.first, entry.count)
    execute("DELETE FROM chunks WHERE id >= ? AND id < ?", (entry.first, entry.first + entry.count))
    execute("DELETE FROM texts WHERE file = ?", (entry.file,))
    execute("DELETE FROM files WHERE id = ?", (entry.file,))
    mark_change(execute)
    return True


def update_file(execute: Execute, file: SourceFile, name: str) -> None:
    """Set what can change while a file's content stays: size, time and tags."""
    written = execute("SELECT written FROM files WHERE name = ?", (name,))[0][0]
    _, sha256, size, modified, tags, day = _source_columns(file, written)
    change = "UPDATE files SET sha256 = ?, size = ?, modified = ?, tags = ?, day = ? WHERE name = ?"
    execute(change, (sha256, size, modified, tags, day, name))


def mark_change(execute: Execute) -> None:
    """Tell every process that searches the collection that its vectors changed."""
    execute("UPDATE changes SET number = number + 1")


def indexed_words(chunk: Chunk) -> str:
    """What the word index holds of a passage: its headings and its text."""
    return spaced(folded(storable(chunk.embedded_text)))


def _source_columns(file: SourceFile, written: str | None) -> tuple[object, ...]:
    day = written or datetime.fromtimestamp(file.modified, UTC).date().isoformat()
    tags = json.dumps(sorted({storable(tag) for tag in file.tags}))
    return storable(file.name), file.sha256, file.size, file.modified, tags, day


def _day(written: str | None) -> str | None:
    """The day of an ISO date or time; None for what is none."""
    try:
        return date.fromisoformat(written[:10]).isoformat() if written else None
    except ValueError:
        return None


def _headings(chunk: Chunk) -> str:
    return json.dumps([storable(heading) for heading in chunk.headings], ensure_ascii=False)
