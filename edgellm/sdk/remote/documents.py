"""A collection that a server keeps."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, Protocol, Unpack, overload
from urllib.parse import quote

import msgspec

from edgellm.retrieval.values import Filters, Hit, IndexedFile, SearchMode
from edgellm.sdk.documents import HITS, Chat
from edgellm.sdk.options import ChatOptions
from edgellm.sdk.stream import ReplyStream
from edgellm.types import Reply


class Call(Protocol):
    """A request and the JSON of its answer."""

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any: ...


class RemoteDocuments:
    """`Documents`, as far as clients may use it: its files are read where the server runs. Errors as of `chat`."""

    def __init__(self, name: str, call: Call, chat: Chat) -> None:
        self.name = name
        self._path = f"/v1/documents/{quote(name, safe='')}"
        self._call, self._chat = call, chat

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
        return msgspec.convert(self._call("POST", f"{self._path}/search", body)["data"], list[Hit])

    def files(self) -> list[IndexedFile]:
        """As `Documents.files`."""
        return msgspec.convert(self._call("GET", f"{self._path}/files")["data"], list[IndexedFile])

    @overload
    def ask(self, question: str, *, stream: Literal[False] = ..., **options: Unpack[ChatOptions]) -> Reply: ...

    @overload
    def ask(self, question: str, *, stream: Literal[True], **options: Unpack[ChatOptions]) -> ReplyStream: ...

    def ask(self, question: str, *, stream: bool = False, **options: Unpack[ChatOptions]) -> Reply | ReplyStream:
        """As `Documents.ask`."""
        options["documents"] = self.name
        return self._chat(question, stream=True, **options) if stream else self._chat(question, **options)
