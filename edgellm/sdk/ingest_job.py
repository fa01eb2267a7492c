"""The work of the jobs of a collection: reading files into it, and embedding it again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgellm.errors import NotFound
from edgellm.events import JobEvent, Progressed, Started
from edgellm.hub.installed import sha256_of
from edgellm.retrieval.collection import Collection, Reembedding
from edgellm.retrieval.embed.embedder import TextEmbedder, room_for_passage
from edgellm.retrieval.embed.open import DEFAULT, open_embedder
from edgellm.retrieval.embed.recall import open_for
from edgellm.retrieval.ingest.ingest import Ingest, Ingested, known_files
from edgellm.retrieval.ingest.scan import Known, look
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.retrieval.values import EmbedderIdentity
from edgellm.sdk.ingest_request import IngestRequest, ReindexRequest, request_from
from edgellm.sdk.work import Emit, Work
from edgellm.settings import load_settings

LOOK_EVERY_S = 2.0
"""Least time between two looks at a folder that is watched."""
PAUSE_TIMES = 9
"""How many times as long as a look the pause after it is: to look at 200,000 files takes seconds."""
Mark = tuple[int, int, int] | None
"""Inode, size and time of a file."""


class _Embedding:
    """The embedder of one job, opened when it is first needed."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._opened: TextEmbedder | None = None

    def named(self, name: str = "") -> TextEmbedder:
        """The embedder of this name; without one, the settings' or the one that comes with EdgeLLM."""
        chosen = name or load_settings(self._work.home, os.environ).default_embedder
        return self._keep(lambda: open_embedder(chosen or DEFAULT, **self._places()))

    def of(self, identity: EmbedderIdentity) -> TextEmbedder:
        """The embedder whose vectors a collection holds; another one, which it had before, is closed."""
        if self._opened is not None and self._opened.identity != identity:
            self.close()
        return self._keep(lambda: open_for(identity, **self._places()))

    def close(self) -> None:
        """End its processes."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _keep(self, opening: Callable[[], TextEmbedder]) -> TextEmbedder:
        if self._opened is None:
            self._opened = opening()
        return self._opened

    def _places(self) -> dict[str, Any]:
        said = Started(title="Preparing the embedder for llama.cpp, once")
        return {"kept": self._work.home.embedders, "on_make": lambda: self._work.emit(said)}


@contextmanager
def _embedding(work: Work) -> Iterator[_Embedding]:
    embedding = _Embedding(work)
    try:
        yield embedding
    finally:
        embedding.close()


def ingest(work: Work) -> dict[str, Any]:
    """Do an ingest job; one that watches ends only when it is cancelled. Returns: `summary` of all its runs.

    Raises: InvalidInput, MissingExtra, ModelRejected, StoreError and its kinds, EngineError.
    """
    request = request_from(work.arguments, IngestRequest)
    request.check()
    total, watch, is_first = Ingested(), _Watch(CollectionShelf(work.home).path(request.collection), request), True
    with _embedding(work) as embedding:
        while True:
            if is_first or watch.finds_work():
                found = _run(work, request, embedding, watch, is_first=is_first)
                _add(total, found)
                if not request.watch:
                    return summary(request.collection, total)
                if is_first or found.added or found.changed or found.removed:
                    work.emit(Progressed(done=total.added + total.changed, note="Watching for changes"))
            is_first = False
            time.sleep(watch.pause_s)


class _Watch:
    """Tells whether a look has something to do, without opening the collection: a folder may be watched for months."""

    def __init__(self, collection: Path, request: IngestRequest) -> None:
        self._file, self._request = collection, request
        self._known: Mapping[str, Known] = {}
        self._marks: list[Mark] = []
        self.pause_s = LOOK_EVERY_S
        """Until the next look."""

    def remember(self, known: Mapping[str, Known]) -> None:
        """What the collection holds, which is closed by now."""
        self._known, self._marks = known, self._marks_now()

    def finds_work(self) -> bool:
        """Whether a file has changed, or somebody else has changed the collection. Raises: InvalidInput, as `look`."""
        if self._marks != self._marks_now():
            return True
        began = time.monotonic()
        todo = look([Path(path) for path in self._request.paths], self._known, sha256_of, self._request.tags)
        self.pause_s = max(LOOK_EVERY_S, PAUSE_TIMES * (time.monotonic() - began))
        return bool(todo.read or todo.touched or todo.gone)

    def _marks_now(self) -> list[Mark]:
        return [_mark(self._file), _mark(self._file.with_name(f"{self._file.name}-wal"))]


def _mark(path: Path) -> Mark:
    """What changes with a file's content; None: there is no such file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _run(work: Work, request: IngestRequest, embedding: _Embedding, watch: _Watch, *, is_first: bool) -> Ingested:
    """One look at all paths. A collection that was removed while its files were watched does not come back."""
    shelf, name = CollectionShelf(work.home), request.collection
    with shelf.locked(name, _waits(work)):
        opened = shelf.open_or_create(name, lambda: embedding.named().identity) if is_first else shelf.open(name)
        with opened as collection:
            reader = Ingest(
                collection, lambda: embedding.of(collection.identity), work.emit if is_first else _news(work)
            )
            paths = [Path(path) for path in request.paths]
            sync = request.sync or request.watch
            found = reader.run(paths, sync=sync, tags=request.tags, retries=is_first)
            known = known_files(collection, retries=False)
        watch.remember(known)
        return found


def _news(work: Work) -> Emit:
    """Passes on what a later look finds, and not that it looks: a folder may be watched for months."""

    def tell(event: JobEvent) -> None:
        if not (isinstance(event, Started) and event.total is None):
            work.emit(event)

    return tell


def summary(collection: str, found: Ingested) -> dict[str, Any]:
    """What a job did, as JSON values."""
    result = asdict(found) | {"collection": collection}
    result["failed"] = [{"file": name, "reason": reason} for name, reason in found.failed]
    result["chunks_per_s"] = found.chunks / found.seconds if found.seconds else 0.0
    return result


def reindex(work: Work) -> dict[str, Any]:
    """Do a reindex job: vectors beside the live ones, file by file, put in their place at the end.

    A job that was ended goes on where it was. `cut` counts passages that are longer than what the embedder reads: the
    file's texts are not cut anew, and the ends of these are not found by meaning. Raises: as `ingest`;
    CollectionNotFound.
    """
    request = request_from(work.arguments, ReindexRequest)
    began = time.monotonic()
    shelf, name = CollectionShelf(work.home), request.collection

    @contextmanager
    def alone() -> Iterator[None]:
        """While no other run reads files, which would break off; not in a collection that was removed meanwhile."""
        with shelf.locked(name, _waits(work)), shelf.open(name):
            yield

    with _embedding(work) as embedding, shelf.open(name) as collection:
        embedder = embedding.named(request.embedder) if request.embedder else embedding.of(collection.identity)
        lengths = _embed_again(work, collection, collection.reembed(embedder.identity), embedder, alone)
    return {
        "collection": request.collection,
        "embedder": embedder.identity.name,
        "chunks": len(lengths),
        "cut": sum(length > room_for_passage(embedder) for length in lengths),
        "seconds": time.monotonic() - began,
    }


def _embed_again(
    work: Work,
    collection: Collection,
    again: Reembedding,
    embedder: TextEmbedder,
    alone: Callable[[], AbstractContextManager[None]],
) -> list[int]:
    """Until nothing is pending: files may come and go while it runs. Returns: lengths of the passages, in tokens."""
    lengths, names = list[int](), again.pending()
    while True:
        if names:
            work.emit(Started(title=f"Embedding {len(names)} files again", total=len(names), unit="files"))
        for done, name in enumerate(names, 1):
            lengths += _embed_file_again(collection, again, embedder, name)
            work.emit(Progressed(done=done, total=len(names), note=Path(name).name))
        with alone():
            names = again.finish()
        if not names:
            return lengths


def _embed_file_again(collection: Collection, again: Reembedding, embedder: TextEmbedder, name: str) -> list[int]:
    try:
        stored = collection.chunks_of(name)
    except NotFound:
        return []  # it was removed meanwhile
    texts = [each.chunk.embedded_text for each in stored]
    again.put(stored, embedder.embed_passages(texts))
    return [embedder.count(text) for text in texts]


def _add(total: Ingested, found: Ingested) -> None:
    for name in ("added", "changed", "removed", "chunks", "seconds"):
        setattr(total, name, getattr(total, name) + getattr(found, name))
    total.unchanged, total.failed = found.unchanged, found.failed


def _waits(work: Work) -> Callable[[], None]:
    """Says once that another run changes the collection."""
    said: list[bool] = []

    def say() -> None:
        if not said:
            said.append(True)
            work.emit(Started(title="Waiting for another run over this collection"))

    return say
