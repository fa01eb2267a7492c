"""Embedding spaces: the live one that is searched, and the next one while a collection is embedded again."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Literal

from edgellm.retrieval.collection.bits import Floats, signs
from edgellm.retrieval.collection.schema import damaged
from edgellm.retrieval.values import EmbedderIdentity
from edgellm.store.db import Execute

State = Literal["live", "next"]
MOST_DIMENSIONS = 65_536
"""Ten times those of any embedder: what says more would take all memory."""


@dataclass(frozen=True, slots=True)
class Space:
    """One embedder's vectors of a collection: float32 one by one, and their signs file by file."""

    id: int
    identity: EmbedderIdentity

    @property
    def vectors(self) -> str:
        """Table of (chunk, vector): little-endian float32, unit length."""
        return f"vectors_{self.id}"

    @property
    def signs(self) -> str:
        """Table of (file, signs): `bits.signs` of the file's passages in order, little-endian."""
        return f"signs_{self.id}"


def find(execute: Execute, state: State) -> Space | None:
    """The space in this state, if there is one. Raises: StoreDamaged."""
    columns = "id, name, sha256, dimensions, max_tokens, query_prefix, passage_prefix"
    rows = execute(f"SELECT {columns} FROM spaces WHERE state = ?", (state,))
    if not rows:
        return None
    space = Space(rows[0][0], EmbedderIdentity(**dict(zip(columns.split(", ")[1:], rows[0][1:], strict=True))))
    if not 1 <= space.identity.dimensions <= MOST_DIMENSIONS:
        raise damaged(f"The collection says that its vectors have {space.identity.dimensions} dimensions.")
    return space


def every(execute: Execute) -> list[Space]:
    """The live space, then the next one."""
    found = (find(execute, "live"), find(execute, "next"))
    return [space for space in found if space is not None]


def add(execute: Execute, state: State, identity: EmbedderIdentity) -> Space:
    """A new, empty space."""
    insert = (
        "INSERT INTO spaces (state, name, sha256, dimensions, max_tokens, query_prefix, passage_prefix) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id"
    )
    space = Space(execute(insert, (state, *astuple(identity)))[0][0], identity)
    execute(f"CREATE TABLE {space.vectors} (chunk INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT")
    execute(f"CREATE TABLE {space.signs} (file INTEGER PRIMARY KEY, signs BLOB NOT NULL) STRICT")
    return space


def drop(execute: Execute, space: Space) -> None:
    """Remove a space with its vectors."""
    execute("DELETE FROM spaces WHERE id = ?", (space.id,))
    execute("PRAGMA secure_delete = OFF")  # the texts are still here; wiping would write gigabytes
    try:
        execute(f"DROP TABLE {space.vectors}")
        execute(f"DROP TABLE {space.signs}")
    finally:
        execute("PRAGMA secure_delete = ON")


def put_vectors(execute: Execute, space: Space, file: int, first_chunk: int, vectors: Floats) -> None:
    """Add the checked vectors of a file's passages."""
    insert = f"INSERT INTO {space.vectors} VALUES (?, ?)"
    for number, vector in enumerate(vectors.astype("<f4", copy=False)):
        execute(insert, (first_chunk + number, vector.tobytes()))
    execute(f"INSERT INTO {space.signs} VALUES (?, ?)", (file, signs(vectors).astype("<u8", copy=False).tobytes()))


def remove_vectors(execute: Execute, space: Space, file: int, first_chunk: int, count: int) -> None:
    """Remove the vectors of a file's passages."""
    execute(f"DELETE FROM {space.vectors} WHERE chunk >= ? AND chunk < ?", (first_chunk, first_chunk + count))
    execute(f"DELETE FROM {space.signs} WHERE file = ?", (file,))
