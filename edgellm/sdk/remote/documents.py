"""A collection that a server keeps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, Unpack, overload
from urllib.parse import quote

from edgellm.decoding import convert
from edgellm.errors import InvalidInput
from edgellm.retrieval.values import Filters, Hit, IndexedFile, SearchMode
from edgellm.sdk.documents import HITS, INGEST, Chat
from edgellm.sdk.options import ChatOptions
from edgellm.sdk.stream import ReplyStream
from edgellm.store import JobState, StoredJob
from edgellm.types import Reply

Form = Sequence[tuple[str, tuple[str | None, BinaryIO | bytes]]]
"""Fields and files of a form: name, then file name (None: a field) and content."""


class Call(Protocol):
    """A request and the JSON of its answer."""

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None, form: Form | None = None) -> Any: ...


class RemoteDocuments:
    """`Documents`, as far as clients may use it: files are sent, and read by the server. Errors as of `chat`."""

    def __init__(self, name: str, call: Call, chat: Chat) -> None:
        self.name = name
        self._path = f"/v1/documents/{quote(name, safe='')}"
        self._call, self._chat = call, chat

    def add(self, paths: Sequence[str | Path], *, tags: Sequence[str] = ()) -> StoredJob:
        """Send files, which a job of the server reads into the collection; the first ones make it.

        Raises: InvalidInput for a path that is no file; AccessDenied, BudgetExceeded and others of the server.
        """
        with ExitStack() as opened:
            form: list[tuple[str, tuple[str | None, BinaryIO | bytes]]] = [
                ("file", (Path(path).name, opened.enter_context(_opened(path)))) for path in paths
            ]
            form += [("tags", (None, tag.encode())) for tag in tags]
            return _job(self._call("POST", f"{self._path}/files", form=form))

    def job(self, job_id: str) -> StoredJob:
        """How far a job has come that `add` began."""
        return _job(self._call("GET", f"{self._path}/jobs/{quote(job_id, safe='')}"))

    def remove(self, names: Sequence[str]) -> int:
        """Take files out of the collection, by their names. Returns: how many there were."""
        for name in names:
            self._call("DELETE", f"{self._path}/files/{quote(name)}")
        return len(names)

    def search(
        self,
        question: str,
        *,
        limit: int = HITS,
        filters: Filters = Filters(),  # noqa: B008  a frozen value
        mode: SearchMode | None = None,
    ) -> list[Hit]:
        """As `Documents.search`."""
        given = {name: value for name, value in asdict(filters).items() if value}
        body = {"question": question, "limit": limit, "mode": mode, **given}
        return convert(self._call("POST", f"{self._path}/search", body)["data"], list[Hit])

    def files(self) -> list[IndexedFile]:
        """As `Documents.files`."""
        return convert(self._call("GET", f"{self._path}/files")["data"], list[IndexedFile])

    @overload
    def ask(self, question: str, *, stream: Literal[False] = ..., **options: Unpack[ChatOptions]) -> Reply: ...

    @overload
    def ask(self, question: str, *, stream: Literal[True], **options: Unpack[ChatOptions]) -> ReplyStream: ...

    def ask(self, question: str, *, stream: bool = False, **options: Unpack[ChatOptions]) -> Reply | ReplyStream:
        """As `Documents.ask`."""
        options["documents"] = self.name
        return self._chat(question, stream=True, **options) if stream else self._chat(question, **options)


def _opened(path: str | Path) -> BinaryIO:
    try:
        return Path(path).expanduser().open("rb")
    except OSError as error:
        message = f"{str(path)!r} cannot be read: {error.strerror}."
        raise InvalidInput(message, hint="Name files; a folder is sent file by file.", field="paths") from error


def _job(found: dict[str, Any]) -> StoredJob:
    """The server's words as the job that they are about."""
    error = found["error"] or {}
    return StoredJob(
        id=found["id"],
        kind=INGEST,
        title=f"Read {len(found['files'])} files into {found['collection']}",
        arguments={"collection": found["collection"], "paths": found["files"]},
        state=JobState(found["status"]),
        error=error.get("code"),
        message=error.get("message"),
        result=found["result"],
        created_at=found["created_at"],
        updated_at=found["finished_at"] or found["created_at"],
    )
