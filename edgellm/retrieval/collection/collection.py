"""The collection as its users see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from edgellm.errors import CollectionNotFound, InvalidInput, NotFound, StoreError
from edgellm.retrieval.collection import spaces
from edgellm.retrieval.collection.bits import Floats
from edgellm.retrieval.collection.checks import check_chunks, check_identity, checked_vectors, refuse_code
from edgellm.retrieval.collection.mirror import Mirror, MirrorKeeper
from edgellm.retrieval.collection.reading import FileEntry, chunks_at, chunks_by_id, find_file
from edgellm.retrieval.collection.records import FILE_COLUMNS, StoredChunk, StoredFile, file_from
from edgellm.retrieval.collection.reembed import Reembedding
from edgellm.retrieval.collection.schema import COLLECTION, MIGRATIONS
from edgellm.retrieval.collection.texts import read_text, storable
from edgellm.retrieval.collection.verify import MAX_FINDINGS, findings
from edgellm.retrieval.collection.writing import delete_file, failed_rows, insert_file, ready_rows, update_file
from edgellm.retrieval.values import Chunk, Document, EmbedderIdentity, SourceFile
from edgellm.store.db import Database, Execute

BUSY_TIMEOUT_S = 60.0
"""Replacing a book of thousands of passages takes seconds; another writer waits for it."""


@dataclass(frozen=True, slots=True)
class View:
    """One state of a collection, for a search."""

    execute: Execute
    space: spaces.Space
    mirror: Mirror


class Collection:
    """Files, texts, passages, vectors and words in one SQLite file. Thread-safe, and safe beside other processes.

    Every change is one transaction: a file is in it whole or not at all, whenever a process is killed. Once it is
    closed everywhere, its one file can be copied to another machine. It is handed vectors and never makes them.
    """

    def __init__(self, database: Database, space: spaces.Space) -> None:
        """Use `create` or `open`."""
        self.path = database.path
        self._database = database
        self._space = space
        self._keeper = MirrorKeeper()
        self.is_outdated = False
        """Whether it has to be opened again: it was closed, or another process embedded it again."""

    @classmethod
    def create(cls, path: Path, identity: EmbedderIdentity) -> Self:
        """A new, empty collection for the vectors of one embedder.

        Raises: InvalidInput when there is one, StoreError and its kinds as `open` does.
        """
        database = _database(path)
        try:
            with database.write() as execute:
                if spaces.find(execute, "live") is not None:
                    message = f"There is a collection at {path}."
                    raise InvalidInput(message, hint="Open it, or choose another name.", field="name", remedy="name")
                return cls(database, spaces.add(execute, "live", identity))
        except BaseException:
            database.close()
            raise

    @classmethod
    def open(cls, path: Path, identity: EmbedderIdentity | None = None) -> Self:
        """The collection in this file; with `identity`, only if its vectors are that embedder's.

        Raises: CollectionNotFound, also for one whose making was killed; InvalidInput for another embedder;
        StoreDamaged, StoreTooNew, StoreBusy, DiskFull, StoreError.
        A file that is refused is left as it is.
        """
        if not path.exists():
            raise CollectionNotFound(
                f"There is no collection at {path}.", hint="Add documents to it first.", path=str(path)
            )
        database = _database(path)
        try:
            with database.snapshot() as execute:
                refuse_code(execute)
                space = spaces.find(execute, "live")
            if space is None:
                message = f"The collection at {path} was begun and never finished; it holds nothing."
                raise CollectionNotFound(message, hint="Add documents to it again.", path=str(path))
            if identity is not None:
                check_identity(space.identity, identity, str(path))
        except BaseException:
            database.close()
            raise
        return cls(database, space)

    @property
    def identity(self) -> EmbedderIdentity:
        """The embedder whose vectors it holds."""
        return self._space.identity

    def put(self, file: SourceFile, document: Document, chunks: Sequence[Chunk], vectors: Floats) -> None:
        """Add a file that was read, in the place of the one with its name.

        `vectors`: float32 (chunks, dimensions), unit length. Raises: InvalidInput before anything is written; after
        StoreBusy, DiskFull and StoreError everything is as it was.
        """
        check_chunks(document, chunks)
        checked = checked_vectors(vectors, len(chunks), self.identity.dimensions)
        rows = ready_rows(file, document, chunks)
        with self._database.write() as execute:
            insert_file(execute, self._live(execute), rows, checked)

    def put_failed(self, file: SourceFile, reason: str) -> None:
        """Remember that a file could not be read, in the place of what was read from it before."""
        rows = failed_rows(file, reason)
        with self._database.write() as execute:
            insert_file(execute, self._live(execute), rows, None)

    def update(self, files: Sequence[SourceFile]) -> None:
        """Set the time, size and tags of files whose content is what it was, in one transaction.

        Raises: NotFound, InvalidInput.
        """
        with self._database.write() as execute:
            for file in files:
                name = self._entry(execute, file.name).name
                if execute("SELECT sha256 FROM files WHERE name = ?", (name,)) != [(file.sha256,)]:
                    message = f"The content of {file.name} has changed; it has to be read again."
                    raise InvalidInput(message, field="file")
                update_file(execute, file, name)

    def remove(self, names: Sequence[str]) -> int:
        """Remove files, one transaction each; those that were added by themselves are not looked for again.

        Returns: how many were there.
        """
        count = 0
        for name in names:
            with self._database.write() as execute:
                count += delete_file(execute, storable(name))
                execute("DELETE FROM roots WHERE path = ?", (storable(name),))
        return count

    def add_roots(self, paths: Sequence[str]) -> None:
        """Remember which files and folders were added: what a later look has to compare with."""
        with self._database.write() as execute:
            for path in paths:
                execute("INSERT OR IGNORE INTO roots VALUES (?)", (storable(path),))

    def roots(self) -> list[str]:
        """Files and folders that were added, in order."""
        return [path for (path,) in self._database.read("SELECT path FROM roots ORDER BY path")]

    def files(self) -> list[StoredFile]:
        """All files, by name."""
        return [file_from(row) for row in self._database.read(f"SELECT {FILE_COLUMNS} FROM files ORDER BY name")]

    def text(self, name: str) -> str:
        """The whole text of a file; empty for one that failed. Raises: NotFound."""
        with self._database.snapshot() as execute:
            entry = self._entry(execute, name)
            length = execute("SELECT characters FROM files WHERE id = ?", (entry.file,))[0][0]
            return read_text(execute, entry.file, 0, length)

    def chunk(self, number: int) -> StoredChunk:
        """The passage with this id. Raises: NotFound, also when its file was replaced: an id is never used again."""
        with self._database.snapshot() as execute:
            found = chunks_by_id(execute, [number])
        if not found:
            raise NotFound(f"The collection {self.path} has no passage {number}.", hint="Search again.")
        return found[0]

    def chunks_of(self, name: str) -> list[StoredChunk]:
        """All passages of a file, in order. Raises: NotFound."""
        with self._database.snapshot() as execute:
            return chunks_at(execute, self._entry(execute, name))

    def reembed(self, identity: EmbedderIdentity) -> Reembedding:
        """Begin, or continue, to make another embedder's vectors beside the live ones."""
        return Reembedding(self._database, identity, self._switch)

    def verify(self) -> list[str]:
        """What is wrong with the file, in words; empty when all is well. Reads everything."""
        try:
            with self._database.snapshot() as execute:
                return list(islice(findings(execute), MAX_FINDINGS))
        except StoreError as error:
            return [error.message]

    @contextmanager
    def view(self) -> Iterator[View]:
        """One state of the collection, in which a search reads.

        Raises: StoreError when another process embedded the collection again.
        """
        with self._database.snapshot() as execute:
            space = self._live(execute)
            yield View(execute, space, self._keeper.at(execute, space))

    def close(self) -> None:
        """Close the file; twice is fine. The last one to close leaves a single file behind."""
        self.is_outdated = True
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _live(self, execute: Execute) -> spaces.Space:
        space = spaces.find(execute, "live")
        if space is None or space.id != self._space.id:
            self.is_outdated = True
            message = f"The collection {self.path} was embedded again by another process."
            raise StoreError(message, hint="Open it again.", path=str(self.path))
        return space

    def _switch(self, space: spaces.Space) -> None:
        self._space = space

    def _entry(self, execute: Execute, name: str) -> FileEntry:
        entry = find_file(execute, storable(name))
        if entry is None:
            raise NotFound(f"The collection {self.path} has no file {name!r}.", hint="See which it has.", name=name)
        return entry


def _database(path: Path) -> Database:
    return Database(path, kind=COLLECTION, migrations=MIGRATIONS, busy_timeout_s=BUSY_TIMEOUT_S)
