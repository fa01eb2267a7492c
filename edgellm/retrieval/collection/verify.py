"""Whether everything in a collection fits together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgellm.errors import StoreDamaged
from edgellm.retrieval.collection import spaces
from edgellm.retrieval.collection.bits import signs
from edgellm.retrieval.collection.checks import TOLERANCE
from edgellm.retrieval.collection.reading import FileEntry, chunks_at
from edgellm.retrieval.collection.texts import read_text
from edgellm.store.db import Execute

MAX_FINDINGS = 100


def findings(execute: Execute) -> Iterator[str]:
    """What is wrong, in words; nothing when all is well. Reads the whole file."""
    broken = [finding for (finding,) in execute(f"PRAGMA integrity_check({MAX_FINDINGS})") if finding != "ok"]
    yield from (f"SQLite: {finding}" for finding in broken)
    if broken:
        return
    live = spaces.find(execute, "live")
    if live is None:
        yield "There is no embedding space."
        return
    for *columns, characters in execute("SELECT id, name, first_chunk, chunk_count, characters FROM files ORDER BY id"):
        try:
            entry = FileEntry(*columns)
        except StoreDamaged as error:
            yield error.message
            continue
        yield from _text_findings(execute, entry, characters)
        yield from _vector_findings(execute, live, entry)
    yield from _ownerless(execute)


def _text_findings(execute: Execute, entry: FileEntry, characters: int) -> Iterator[str]:
    try:
        found = len(read_text(execute, entry.file, 0, characters))
        chunks = chunks_at(execute, entry)
    except StoreDamaged as error:
        yield f"{entry.name}: its text cannot be read ({error.facts['reason']})."
        return
    if found != characters:
        yield f"{entry.name}: {found} of {characters} characters of its text are there."
    if len(chunks) != entry.count:
        yield f"{entry.name}: {len(chunks)} of {entry.count} passages are there."


def _vector_findings(execute: Execute, space: spaces.Space, entry: FileEntry) -> Iterator[str]:
    read = f"SELECT vector FROM {space.vectors} WHERE chunk >= ? AND chunk < ? ORDER BY chunk"
    rows = execute(read, (entry.first, entry.first + entry.count))
    kept = execute(f"SELECT signs FROM {space.signs} WHERE file = ?", (entry.file,))
    dimensions = space.identity.dimensions
    if len(rows) != entry.count or any(len(vector) != 4 * dimensions for (vector,) in rows):
        yield f"{entry.name}: {len(rows)} of {entry.count} vectors are there, or their size is wrong."
    elif rows:
        vectors = np.frombuffer(b"".join(vector for (vector,) in rows), "<f4").reshape(-1, dimensions)
        if not (np.abs(np.linalg.norm(vectors, axis=1) - 1) <= TOLERANCE).all():
            yield f"{entry.name}: its vectors are not of unit length."
        if [signs(vectors).astype("<u8", copy=False).tobytes()] != [blob for (blob,) in kept]:
            yield f"{entry.name}: the signs of its vectors are not those of the vectors."


def _ownerless(execute: Execute) -> Iterator[str]:
    wanted: int = execute("SELECT coalesce(sum(chunk_count), 0) FROM files")[0][0]
    live = spaces.find(execute, "live")
    tables = ["chunks", "words", *([live.vectors] if live else [])]
    for table in tables:
        found = execute(f"SELECT count(*) FROM {table if table != 'words' else 'words_docsize'}")[0][0]
        if found != wanted:
            yield f"{found} rows in {table} stand for {wanted} passages."
