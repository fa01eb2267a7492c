"""Collections of documents in memory, searched by words."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgellm.errors import CollectionNotFound, EdgeLLMError
from edgellm.retrieval.values import CollectionInfo, Filters, Hit, IndexedFile, Place, SearchMode
from edgellm.store.records import StoredJob
from edgellm.types import Citation, Evidence
from tests.tui.fakes.clock import NOW
from tests.tui.fakes.jobs import FakeJobs

FOLDER = "/home/me/ferry"
FARES = f"{FOLDER}/fares.pdf"
CREW = f"{FOLDER}/crew/rota.md"
PAGE = (
    "Fares of the Morwenna\n\n"
    + "".join(f"Paragraph {n} speaks of the harbour, the tide and the weather at sea.\n\n" for n in range(1, 16))
    + "A single ticket costs nine crowns. Children below six travel free. Dogs pay half.\n\n"
    + "".join(f"Remark {n} is about luggage.\n\n" for n in range(1, 9))
)
TICKET = "A single ticket costs nine crowns."
FREE = "Children below six travel free."
CREW_TEXT = "Four deckhands work in two shifts. The rota changes on Mondays."


def indexed(name: str, **more: Any) -> IndexedFile:
    """A file that was read."""
    facts: dict[str, Any] = {"kind": "pdf", "size": 184_000, "modified": NOW - 9000, "chunks": 12, "pages": 4}
    return IndexedFile(name=name, **{**facts, **more})


def unreadable(name: str, reason: str) -> IndexedFile:
    """A file that was not."""
    return indexed(name, kind="", chunks=0, pages=None, reason=reason)


def citation(n: int, sentence: str, file: str = FARES, **more: Any) -> Citation:
    """Where a sentence of an answer comes from; its place is counted in the file's text."""
    text = TEXTS[file]
    start = text.index(sentence)
    facts: dict[str, Any] = {"chunk_id": n, "page": 3 if file == FARES else None, "headings": ("Ferry", "Fares")}
    facts.update(text=sentence, start=start, end=start + len(sentence), score=0.9)
    return Citation(n=n, file=file, **{**facts, **more})


TEXTS = {FARES: "The first page.\n" + PAGE, CREW: CREW_TEXT}
FERRIES = (indexed(FARES), indexed(CREW, kind="markdown", pages=None, chunks=2, size=900))


def evidence(*citations: Citation, **more: Any) -> Evidence:
    """What an answer from the ferries rests on."""
    return Evidence(collection="ferries", citations=citations, passages=4, search_s=0.02, **more)


class FakeCollections:
    """Collections by name; a test puts files into them."""

    def __init__(self, jobs: FakeJobs) -> None:
        self.jobs = jobs
        self.kept: dict[str, builtins.list[IndexedFile]] = {}
        self.texts = dict(TEXTS)
        self.hits: builtins.list[Hit] | None = None
        """What every search finds; None looks for the question's words."""
        self.defects: builtins.list[str] = []
        self.added: builtins.list[dict[str, Any]] = []
        self.synced: builtins.list[str] = []
        self.embedded: builtins.list[tuple[str, str]] = []
        """Collections whose vectors were made anew, and by which embedder."""
        self.searched: builtins.list[tuple[str, str]] = []
        self.modes: builtins.list[SearchMode | None] = []
        """By what each search ranked."""
        self.broken: dict[str, str] = {}
        """Collections that cannot be opened, and why."""
        self.updated = NOW - 7200
        self.failure: EdgeLLMError | None = None
        """What ends whatever is asked of a collection."""

    async def list(self) -> Sequence[CollectionInfo]:
        return [self._info(name, files) for name, files in sorted(self.kept.items())]

    def _info(self, name: str, files: Sequence[IndexedFile]) -> CollectionInfo:
        failed = sum(bool(file.reason) for file in files)
        return CollectionInfo(
            name=name,
            embedder="all-MiniLM-L6-v2",
            files=len(files) - failed,
            failed=failed,
            chunks=sum(file.chunks for file in files),
            size_bytes=1_400_000,
            updated=self.updated,
            reason=self.broken.get(name, ""),
        )

    async def remove(self, name: str) -> None:
        del self.kept[name]


class FakeDocuments:
    """One collection."""

    def __init__(self, collections: FakeCollections, name: str) -> None:
        self._all = collections
        self._name = name

    def _files(self) -> list[IndexedFile]:
        if self._all.failure is not None:
            raise self._all.failure
        if self._name not in self._all.kept:
            raise CollectionNotFound(f"There is no collection {self._name!r}.", hint="Did you mean 'ferries'?")
        return self._all.kept[self._name]

    async def add(self, paths: Sequence[str | Path], *, sync: bool = False, tags: Sequence[str] = ()) -> StoredJob:
        if self._all.failure is not None:
            raise self._all.failure
        asked = {"collection": self._name, "paths": [str(path) for path in paths], "sync": sync, "tags": tuple(tags)}
        self._all.added.append(asked)
        return await self._all.jobs.start("ingest", f"Read into {self._name}", asked)

    async def sync(self) -> StoredJob:
        self._files()
        self._all.synced.append(self._name)
        return await self._all.jobs.start("ingest", f"Read into {self._name}", {"collection": self._name})

    async def reindex(self, embedder: str = "") -> StoredJob:
        self._files()
        self._all.embedded.append((self._name, embedder))
        return await self._all.jobs.start("reindex", f"Embed {self._name} again", {"collection": self._name})

    async def search(
        self,
        question: str,
        *,
        limit: int = 8,
        filters: Filters = Filters(),  # noqa: B008  a frozen value
        mode: SearchMode | None = None,
    ) -> Sequence[Hit]:
        files = [file for file in self._files() if not filters.kinds or file.kind in filters.kinds]
        self._all.searched.append((self._name, question))
        self._all.modes.append(mode)
        if self._all.hits is not None:
            return self._all.hits[:limit]
        words = question.lower().split()
        found = [
            hit for file in files for hit in self._passages(file) if any(word in hit.text.lower() for word in words)
        ]
        return found[:limit]

    def _passages(self, file: IndexedFile) -> list[Hit]:
        text, hits = self._all.texts.get(file.name, ""), list[Hit]()
        for number, part in enumerate(text.split("\n\n")):
            start = text.index(part)
            facts: dict[str, Any] = {"page": 3 if file.pages else None, "headings": ("Ferry", "Fares")}
            hits.append(
                Hit(
                    chunk_id=number, file=file.name, text=part, start=start, end=start + len(part), score=0.033, **facts
                )
            )
        return hits

    async def files(self) -> list[IndexedFile]:
        return list(self._files())

    async def remove(self, names: Sequence[str]) -> int:
        before = self._files()
        self._all.kept[self._name] = [file for file in before if file.name not in names]
        return len(before) - len(self._all.kept[self._name])

    async def verify(self) -> list[str]:
        self._files()
        return self._all.defects

    async def page(self, file: str, start: int, end: int) -> Place:
        self._files()
        text = self._all.texts[file]
        begin = text.index(PAGE) if PAGE in text and start >= text.index(PAGE) else 0
        page = 3 if PAGE in text else None
        return Place(
            file=file, page=page, headings=("Ferry", "Fares"), text=text[begin:], start=start - begin, end=end - begin
        )
