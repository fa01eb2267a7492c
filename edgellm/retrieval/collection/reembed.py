"""Another embedder's vectors, made beside the live ones and then put in their place at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgellm.errors import StoreError
from edgellm.retrieval.collection import spaces
from edgellm.retrieval.collection.bits import Floats
from edgellm.retrieval.collection.checks import checked_vectors
from edgellm.retrieval.collection.reading import find_file
from edgellm.retrieval.collection.records import StoredChunk
from edgellm.retrieval.collection.writing import mark_change
from edgellm.retrieval.values import EmbedderIdentity
from edgellm.store.db import Database, Execute


class Reembedding:
    """A second set of vectors that grows file by file, over as many processes and days as it takes.

    Searches and ingests go on in the live space. `finish` names what is missing: `put` that, and `finish` again until
    nothing is.
    """

    def __init__(
        self, database: Database, identity: EmbedderIdentity, switched: Callable[[spaces.Space], None]
    ) -> None:
        """Begin, or go on where the same embedder was stopped; what another one began is dropped."""
        self._database = database
        self._switched = switched
        with database.write() as execute:
            space = spaces.find(execute, "next")
            if space is not None and space.identity != identity:
                spaces.drop(execute, space)
                space = None
            self._space = space or spaces.add(execute, "next", identity)

    @property
    def identity(self) -> EmbedderIdentity:
        """The new embedder."""
        return self._space.identity

    def pending(self) -> list[str]:
        """Names of files that have no vectors in the new space yet."""
        with self._database.snapshot() as execute:
            self._require(execute)
            return self._missing(execute)

    def put(self, chunks: Sequence[StoredChunk], vectors: Floats) -> bool:
        """Add the vectors of one file's passages, as `Collection.chunks_of` returned them.

        Returns: whether they were added; not when the file was replaced, removed or embedded meanwhile.
        Raises: InvalidInput as `Collection.put` does, StoreError when the re-embedding was cancelled elsewhere.
        """
        checked = checked_vectors(vectors, len(chunks), self.identity.dimensions)
        with self._database.write() as execute:
            self._require(execute)
            entry = find_file(execute, chunks[0].file) if chunks else None
            if entry is None or (entry.first, entry.count) != (chunks[0].id, len(chunks)):
                return False
            if execute(f"SELECT 1 FROM {self._space.signs} WHERE file = ?", (entry.file,)):
                return False
            spaces.put_vectors(execute, self._space, entry.file, entry.first, checked)
            return True

    def finish(self) -> list[str]:
        """Search with the new vectors from now on, and drop the old ones; one transaction.

        Returns: the pending files, for which it was not done; none: it was.
        """
        with self._database.write() as execute:
            self._require(execute)
            missing = self._missing(execute)
            if missing:
                return missing
            live = spaces.find(execute, "live")
            if live is not None:
                spaces.drop(execute, live)
            execute("UPDATE spaces SET state = 'live' WHERE id = ?", (self._space.id,))
            mark_change(execute)
        self._switched(self._space)
        return []

    def cancel(self) -> None:
        """Drop the new vectors; the live ones stay."""
        with self._database.write() as execute:
            self._require(execute)
            spaces.drop(execute, self._space)

    def _missing(self, execute: Execute) -> list[str]:
        missing = f"SELECT name FROM files WHERE chunk_count > 0 AND id NOT IN (SELECT file FROM {self._space.signs})"
        return [name for (name,) in execute(missing + " ORDER BY id")]

    def _require(self, execute: Execute) -> None:
        space = spaces.find(execute, "next")
        if space is None or space.id != self._space.id:
            message = f"The re-embedding of the collection {self._database.path} was ended by another process."
            raise StoreError(message, hint="Begin it again.", path=str(self._database.path))
