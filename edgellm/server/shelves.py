"""Collections as their keys see them: by their own names, and without the server's folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from edgellm.errors import AccessDenied, BudgetExceeded, CollectionNotFound, InvalidInput, NotFound
from edgellm.hub.names import is_name
from edgellm.paths import Home
from edgellm.sdk.documents import INGEST, REINDEX, Documents
from edgellm.sdk.facade import EdgeLLM
from edgellm.server.caller import Caller
from edgellm.server.ownership import MOST_CHARACTERS, collection_of, is_own_collection, owner_of, shown_collection
from edgellm.server.uploads import Upload
from edgellm.store import StoredJob
from edgellm.types import Evidence, Reply

MOST_JOBS = 2
"""Of one key's collections, read at the same time: each is a process with an embedder in it."""
JOBS = 1_000
"""How far back jobs are looked for."""
RETRY_S = 5.0
T = TypeVar("T")


class Shelf:
    """One collection, as one caller may use it. What is not there and what is not allowed are the same 404."""

    def __init__(self, edge: EdgeLLM, caller: Caller, name: str) -> None:
        """`name`: as the caller says it."""
        self._edge = edge
        self._caller = caller
        self.name = name
        self.collection = collection_of(caller, name)
        """What it is called on this machine."""
        self._folder = uploads_of(edge.home, self.collection)

    def use(self, work: Callable[[Documents], T]) -> T:
        """What `work` finds in the collection. Raises: CollectionNotFound."""
        if not is_name(self.collection):
            raise self.missing()
        try:
            return work(self._edge.documents(self.collection))
        except CollectionNotFound:
            raise self.missing() from None

    def missing(self) -> CollectionNotFound:
        """The error for a collection that does not exist for the caller."""
        return CollectionNotFound(f"There is no collection {self.name[:200]!r}.", field="collection")

    def check_change(self) -> None:
        """Raises: InvalidInput for a name that none can have; AccessDenied for a collection that others fill."""
        if not is_name(self.name) or (not self._caller.is_admin and len(self.name) > MOST_CHARACTERS):
            message = f"{self.name[:MOST_CHARACTERS]!r} cannot be a collection's name."
            hint = f"Use up to {MOST_CHARACTERS} letters, digits, '_', '-' and single dots; a letter or digit first."
            raise InvalidInput(message, hint=hint, field="collection")
        if not is_own_collection(self._caller, self.name):
            message = f"The collection {self.name!r} is filled by the server's administrator."
            raise AccessDenied(message, hint="Choose another name for one of this key's own.")

    def check_jobs(self) -> None:
        """Raises: BudgetExceeded while enough of the caller's files are being read."""
        active = sum(
            job.is_active and owner_of(str(job.arguments.get("collection"))) == self._caller.tenant
            for job in collection_jobs(self._edge)
        )
        if not self._caller.is_admin and active >= MOST_JOBS:
            message = f"{active} jobs of this key read documents already."
            raise BudgetExceeded(message, hint="Send several files at once.", limit="jobs", retry_after_s=RETRY_S)

    def add(self, uploads: Sequence[Upload], tags: Sequence[str]) -> StoredJob:
        """Keep files, in place of those of the same names, and begin to read them. Raises: InvalidInput, OSError."""
        paths = [self._folder / upload.filename for upload in uploads]
        for upload, path in zip(uploads, paths, strict=True):
            upload.move(path)
        return self._edge.documents(self.collection).add(paths, tags=tags)

    def remove_file(self, name: str) -> None:
        """Take a file out; one that was uploaded is deleted. Raises: NotFound, CollectionNotFound."""

        def work(documents: Documents) -> str | None:
            real = next((file.name for file in documents.files() if self.shown(file.name) == name), None)
            return real if real is not None and documents.remove([real]) else None

        removed = self.use(work)
        if removed is None:
            raise NotFound(f"There is no file {name[:200]!r} in {self.name!r}.", field="name")
        if Path(removed).parent == self._folder:
            Path(removed).unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the collection with what was uploaded to it; what reads into it ends first."""
        if not self._folder.is_dir():  # else something was sent, also where nothing could be read of it
            self.use(lambda documents: documents.files())
        for job in self.jobs():
            if job.is_active:
                self._edge.jobs.cancel(job.id)
        with suppress(CollectionNotFound):
            self._edge.collections.remove(self.collection)
        shutil.rmtree(self._folder, ignore_errors=True)

    def jobs(self) -> list[StoredJob]:
        """What reads or has read into the collection, newest first."""
        return [job for job in collection_jobs(self._edge) if job.arguments.get("collection") == self.collection]

    def shown(self, file: str) -> str:
        """A file's name as the caller knows it: an uploaded one without the server's folder."""
        return shown_file(self._edge.home, self.collection, file)


def uploads_of(home: Home, collection: str) -> Path:
    """Where the files are that were uploaded to a collection."""
    return home.uploads / "documents" / collection


def shown_file(home: Home, collection: str, file: str) -> str:
    """A file's name without the folder of the collection's uploads."""
    return file.removeprefix(f"{uploads_of(home, collection)}/")


def collection_jobs(edge: EdgeLLM) -> list[StoredJob]:
    """Everything that reads or has read documents, newest first."""
    return [job for job in edge.jobs.list(limit=JOBS) if job.kind in (INGEST, REINDEX)]


def shown_reply(home: Home, caller: Caller, reply: Reply) -> Reply:
    """An answer whose evidence names collection and files as the caller knows them."""
    evidence = reply.evidence
    if evidence is None:
        return reply
    return replace(reply, evidence=_shown_evidence(home, caller, evidence))


def _shown_evidence(home: Home, caller: Caller, evidence: Evidence) -> Evidence:
    collection = evidence.collection
    citations = tuple(replace(each, file=shown_file(home, collection, each.file)) for each in evidence.citations)
    return replace(evidence, collection=shown_collection(caller, collection) or collection, citations=citations)
