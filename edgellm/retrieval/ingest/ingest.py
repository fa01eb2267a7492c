"""One run: look, read, cut, embed, write, file by file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from edgellm.errors import EngineError, InvalidInput, ParseFailed
from edgellm.events import JobEvent, Progressed, Started
from edgellm.hub.installed import sha256_of
from edgellm.retrieval.chunk import chunk
from edgellm.retrieval.collection import Collection, StoredFile
from edgellm.retrieval.embed.embedder import TextEmbedder, room_for_passage
from edgellm.retrieval.ingest.scan import Known, Todo, is_below, look
from edgellm.retrieval.parse.files import parse_files
from edgellm.retrieval.values import Chunk, Document, SourceFile

CHUNK_TOKENS = 200
"""Length of a passage, headings included, in the embedder's tokens; less where the embedder reads less."""
OVERLAP_TOKENS = 0
TOGETHER = 256
"""Passages of several small files are embedded together, about so many: a batch of few costs as much as one of many."""
TOUCHED = 1000
"""Files of one transaction that sets their dates and tags."""
NO_VECTOR = "the embedder computed no vector for one of its passages"
NO_SIZE = -1
"""Of no file."""
Emit = Callable[[JobEvent], None]
Parse = Callable[[Sequence[str]], Iterator[Document | ParseFailed]]


@dataclass(slots=True)
class Ingested:
    """What a run did."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Name and reason of every file that could not be read this time."""
    chunks: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read and cut, and waits for its vectors."""

    file: SourceFile
    document: Document
    chunks: list[Chunk]


class Ingest:
    """Brings a collection up to date with files. What was written stays written, wherever a run ends."""

    def __init__(
        self, collection: Collection, embedder: Callable[[], TextEmbedder], emit: Emit, parse: Parse = parse_files
    ) -> None:
        """`embedder` is called when there is something to embed, and not before."""
        self._collection, self._embedder, self._emit, self._parse = collection, embedder, emit, parse
        self._found = Ingested()
        self._done = self._total = 0
        self._began = 0.0

    def run(
        self, paths: Sequence[Path], *, sync: bool = False, tags: tuple[str, ...] = (), retries: bool = True
    ) -> Ingested:
        """Read what is new and what has changed; with `sync`, remove what is no longer below `paths`.

        With `retries`, files are read again that failed of what may have passed: a missing reader, too little time.

        Raises: InvalidInput for a path that does not exist, and with `sync` for a folder that has lost all its files,
        as one does whose disk is not there; DiskFull, StoreBusy and StoreError; WorkerDied and
        EngineError from the embedder. Every file that was finished before stays.
        """
        self._found, self._done, self._began = Ingested(), 0, time.monotonic()
        self._emit(Started(title="Looking at files"))
        known = known_files(self._collection, retries=retries)
        todo = look(paths, known, sha256_of, tags)
        self._collection.add_roots([os.path.abspath(path) for path in paths])
        if sync:
            _refuse_emptied(todo)
        self._note(todo, sync)
        if todo.read:
            self._total = len(todo.read)
            title = f"Reading {self._total} file{'s' if self._total != 1 else ''}"
            self._emit(Started(title=title, total=self._total, unit="files"))
            self._read(todo.read, set(known))
        self._found.seconds = time.monotonic() - self._began
        return self._found

    def _note(self, todo: Todo, sync: bool) -> None:
        """What needs no reading."""
        for first in range(0, len(todo.touched), TOUCHED):
            self._collection.update(todo.touched[first : first + TOUCHED])
        if sync:
            self._found.removed = self._collection.remove(todo.gone)
        self._found.unchanged = todo.unchanged
        self._found.failed = list(todo.unreadable)

    def _read(self, files: Sequence[SourceFile], known: set[str]) -> None:
        for together in _together(self._cut(files)):
            self._write(together, known)

    def _cut(self, files: Sequence[SourceFile]) -> Iterator[_Read]:
        """Every file that can be read; the others are noted with their reason."""
        documents = self._parse([file.name for file in files])
        for file in files:
            self._say(PurePath(file.name).name)
            document = next(documents)
            if isinstance(document, ParseFailed):
                self._refuse(file, document)
                continue
            embedder = self._embedder()
            size = min(CHUNK_TOKENS, room_for_passage(embedder))
            cut = chunk(document, count=embedder.count, size=size, overlap=OVERLAP_TOKENS)
            if cut:
                yield _Read(file, document, cut)
            else:
                self._fail(file, "; ".join(document.notices) or "it holds no text")

    def _write(self, together: Sequence[_Read], known: set[str]) -> None:
        """Embed the passages of several files, then write each file whole; one that has no vectors fails alone."""
        texts = [chunk.embedded_text for read in together for chunk in read.chunks]
        try:
            vectors = self._embedder().embed_passages(texts, lambda done: self._progress(together, done))
        except EngineError as error:
            if "index" not in error.facts:
                raise
            if len(together) == 1:
                self._fail(replace(together[0].file, sha256=""), NO_VECTOR)  # another run may have a sound embedder
                return
            for read in together:
                self._write([read], known)
            return
        begin = 0
        for read in together:
            end = begin + len(read.chunks)
            self._collection.put(read.file, read.document, read.chunks, vectors[begin:end])
            begin = end
            self._found.chunks += len(read.chunks)
            if read.file.name in known:
                self._found.changed += 1
            else:
                self._found.added += 1
            self._finish(read.file.name)

    def _refuse(self, file: SourceFile, refused: ParseFailed) -> None:
        """Note why; a file that is kept without a hash is read again by the next run."""
        may_pass = bool(refused.facts.get("may_pass"))
        self._fail(replace(file, sha256="") if may_pass else file, str(refused.facts.get("reason") or refused.message))

    def _fail(self, file: SourceFile, reason: str) -> None:
        self._collection.put_failed(file, reason)
        self._found.failed.append((file.name, reason))
        self._finish(file.name)

    def _finish(self, name: str) -> None:
        self._done += 1
        self._say(PurePath(name).name)

    def _progress(self, together: Sequence[_Read], done: int) -> None:
        for read in together:
            if done <= len(read.chunks):
                self._say(f"{PurePath(read.file.name).name}: {done} of {len(read.chunks)} passages")
                return
            done -= len(read.chunks)

    def _say(self, note: str) -> None:
        rate = self._done / max(time.monotonic() - self._began, 1e-6)
        left_s = (self._total - self._done) / rate if rate else None
        self._emit(Progressed(done=self._done, total=self._total, rate=rate or None, left_s=left_s, note=note))


def _refuse_emptied(todo: Todo) -> None:
    for folder in todo.emptied:
        lost = sum(is_below(name, frozenset((folder,))) for name in todo.gone)
        raise InvalidInput(
            f"The folder {folder!r} is empty; the collection has {lost:,} files of it.",
            hint="Connect its disk if it is on one. To take the files out: edgellm docs remove FOLDER -c NAME",
            field="paths",
        )


def known_files(collection: Collection, *, retries: bool) -> dict[str, Known]:
    """What a look compares with, by name; with `retries`, a file that may be read by now looks as if it had changed."""
    return {stored.file.name: _known(stored, retries) for stored in collection.files()}


def _known(stored: StoredFile, retries: bool) -> Known:
    file = stored.file
    size = NO_SIZE if retries and not file.sha256 else file.size
    return Known(sha256=file.sha256, size=size, modified=file.modified, tags=file.tags)


def _together(reads: Iterable[_Read]) -> Iterator[list[_Read]]:
    """Files in groups of about `TOGETHER` passages."""
    group: list[_Read] = []
    for read in reads:
        group.append(read)
        if sum(len(each.chunks) for each in group) >= TOGETHER:
            yield group
            group = []
    if group:
        yield group
