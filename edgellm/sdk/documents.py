"""Documents: collections of files, searched, and asked for answers with citations."""

from __future__ import annotations

import builtins
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, Unpack, overload

import msgspec

from edgellm.errors import InvalidInput
from edgellm.paths import Home
from edgellm.retrieval.values import CollectionInfo, Filters, Hit, IndexedFile, Place, SearchMode
from edgellm.sdk.ingest_request import IngestRequest, ReindexRequest
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.open_collections import OpenCollections
from edgellm.sdk.options import ChatOptions
from edgellm.sdk.stream import ReplyStream
from edgellm.store import StoredJob
from edgellm.types import Reply

if TYPE_CHECKING:
    from edgellm.retrieval.collection import Collection
    from edgellm.retrieval.evaluate import Found
    from edgellm.retrieval.shelf import CollectionShelf

MODES: tuple[SearchMode, ...] = ("vector", "words", "fused", "reranked")
INGEST, REINDEX = "ingest", "reindex"
HITS = 8
"""What a search shows, and what an answer is made of at most."""


class Chat(Protocol):
    """`EdgeLLM.chat`."""

    @overload
    def __call__(self, prompt: str, *, stream: Literal[False] = ..., **options: Unpack[ChatOptions]) -> Reply: ...

    @overload
    def __call__(self, prompt: str, *, stream: Literal[True], **options: Unpack[ChatOptions]) -> ReplyStream: ...


class Collections:
    """Which collections there are. Errors: InvalidInput, CollectionNotFound, StoreError."""

    def __init__(self, home: Home, opened: OpenCollections) -> None:
        self._home, self._opened = home, opened

    def list(self) -> builtins.list[CollectionInfo]:
        """Every collection, by name."""
        return self._shelf.list()

    def remove(self, name: str) -> None:
        """Delete a collection; the files that it was made of stay."""
        self._opened.forget(name)
        self._shelf.remove(name)

    @property
    def _shelf(self) -> CollectionShelf:
        from edgellm.retrieval.shelf import CollectionShelf  # what reads a collection is loaded when one is asked for

        return CollectionShelf(self._home)


class Documents:
    """One collection, by name; nothing is opened until it is used.

    Errors: InvalidInput, CollectionNotFound, NotFound, MissingExtra, StoreError and its kinds; EngineError and
    ModelError from what embeds the question.
    """

    def __init__(self, name: str, jobs: Jobs, opened: OpenCollections, chat: Chat) -> None:
        self.name = name
        self._jobs, self._opened, self._chat = jobs, opened, chat

    def add(
        self, paths: Sequence[str | Path], *, sync: bool = False, watch: bool = False, tags: Sequence[str] = ()
    ) -> StoredJob:
        """Begin to read files and folders into the collection, which is created when it is not there.

        What has not changed is left alone. `sync` removes what is no longer below `paths`; `watch` goes on looking
        for changes until the job is cancelled. Tags are given to every file.
        """
        wanted = tuple(str(Path(path).expanduser().absolute()) for path in paths)
        missing = next((path for path in wanted if not os.path.exists(path)), None)
        if missing is not None or not wanted:
            message = f"There is no file or folder {missing!r}." if missing else "There is nothing to read."
            raise InvalidInput(message, hint="Name a document, or a folder of them.", field="paths")
        return self._begin(wanted, sync=sync, watch=watch, tags=tuple(tags))

    def _begin(self, paths: Sequence[str], *, sync: bool, watch: bool, tags: tuple[str, ...] = ()) -> StoredJob:
        request = IngestRequest(collection=self.name, paths=tuple(paths), sync=sync, watch=watch, tags=tags)
        request.check()
        title = f"Read {Path(paths[0]).name} into {self.name}"
        return self._jobs.start(INGEST, title, msgspec.to_builtins(request))

    def sync(self, *, watch: bool = False) -> StoredJob:
        """`add` again, with `sync`, for everything that was added before.

        A file that is gone leaves the collection. Raises: InvalidInput for a folder that is gone.
        """
        from edgellm.retrieval.ingest.scan import is_gone

        def read(collection: Collection) -> tuple[list[str], set[str]]:
            return collection.roots(), {stored.file.name for stored in collection.files()}

        roots, known = self._opened.use(self.name, read)
        missing = next((path for path in roots if not os.path.exists(path) and not is_gone(path, known)), None)
        if missing is not None:
            message = f"There is no file or folder {missing!r} any more, which was added to {self.name!r}."
            hint = f"Put it back, or take it out: edgellm docs remove {shlex.quote(missing)} -c {self.name}"
            raise InvalidInput(message, hint=hint, field="paths")
        return self._begin(roots, sync=True, watch=watch)

    def reindex(self, embedder: str = "") -> StoredJob:
        """Begin to make all vectors anew, with another embedder or the same; searches use the old ones meanwhile."""
        self._opened.use(self.name, lambda collection: collection.identity)  # it is there
        request = ReindexRequest(collection=self.name, embedder=embedder)
        return self._jobs.start(REINDEX, f"Embed {self.name} again", msgspec.to_builtins(request))

    def search(
        self,
        question: str,
        *,
        limit: int = HITS,
        filters: Filters = Filters(),  # noqa: B008  a frozen value
        mode: SearchMode | None = None,
    ) -> list[Hit]:
        """Passages for a question, best first; no mode: reranked where the settings name a reranker, else fused."""
        from edgellm.retrieval.search import search

        if not question.strip():
            raise InvalidInput("The question is empty.", field="question")

        way = mode or self.modes[-1]

        def found(collection: Collection) -> list[Hit]:
            rerank = self._opened.reranker().rerank if way == "reranked" else None
            vector = None
            if way != "words":
                vector = self._opened.embedder(collection.identity).embed_query(question)
            return search(collection, question, vector, limit=limit, filters=filters, mode=way, rerank=rerank)

        return self._opened.use(self.name, found)

    @overload
    def ask(self, question: str, *, stream: Literal[False] = ..., **options: Unpack[ChatOptions]) -> Reply: ...

    @overload
    def ask(self, question: str, *, stream: Literal[True], **options: Unpack[ChatOptions]) -> ReplyStream: ...

    def ask(self, question: str, *, stream: bool = False, **options: Unpack[ChatOptions]) -> Reply | ReplyStream:
        """Answer from the collection's passages; `Reply.evidence` has the citations. Options as for `chat`."""
        options["documents"] = self.name
        return self._chat(question, stream=True, **options) if stream else self._chat(question, **options)

    def evaluate(
        self,
        questions: str | Path,
        *,
        k: int = 10,
        modes: Sequence[SearchMode] = (),
        on_done: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> list[Found]:
        """How well questions of a file (see `retrieval.questions`) find their places, by each way of searching.

        `modes`: which ways; none: every way there is here.
        """
        from edgellm.retrieval.evaluate import Search, evaluate
        from edgellm.retrieval.questions import read_questions

        def way(mode: SearchMode) -> tuple[str, Search]:
            return mode, lambda question, limit: self.search(question, limit=limit, mode=mode)

        return evaluate([way(mode) for mode in modes or self.modes], read_questions(Path(questions)), k, on_done)

    @property
    def modes(self) -> tuple[SearchMode, ...]:
        """The ways of searching that there are here, the best last."""
        return MODES if self._opened.has_reranker else MODES[:-1]

    def files(self) -> list[IndexedFile]:
        """Every file, by name, also those that could not be read."""
        from edgellm.retrieval.places import indexed_file

        return [indexed_file(stored) for stored in self._opened.use(self.name, lambda collection: collection.files())]

    def page(self, file: str, start: int, end: int) -> Place:
        """The page that a passage stands on, or some lines around it. Offsets as in `Hit` and `Citation`."""
        from edgellm.retrieval.places import place_of

        return self._opened.use(self.name, lambda collection: place_of(collection, file, start, end))

    def remove(self, names: Sequence[str]) -> int:
        """Take files out of the collection, by their names, and folders with every file below them.

        Returns: how many files there were.
        """
        from edgellm.retrieval.ingest.scan import is_below

        folders = frozenset(os.path.abspath(name) for name in names if name and "\0" not in name)

        def work(collection: Collection) -> int:
            below = (stored.file.name for stored in collection.files() if is_below(stored.file.name, folders))
            return collection.remove(tuple(dict.fromkeys((*below, *names, *folders))))

        return self._opened.use(self.name, work)

    def verify(self) -> list[str]:
        """What is wrong with the collection's file, in words; empty: it is sound. Reads everything."""
        return self._opened.use(self.name, lambda collection: collection.verify())

    def check(self) -> None:
        """Open everything that a question needs.

        Raises: CollectionNotFound, StoreDamaged, StoreTooNew; ModelNotFound, ModelRejected, MissingExtra, InvalidInput
        from the embedder and the reranker.
        """
        identity = self._opened.use(self.name, lambda collection: collection.identity)
        self._opened.embedder(identity)
        if self._opened.has_reranker:
            self._opened.reranker()
