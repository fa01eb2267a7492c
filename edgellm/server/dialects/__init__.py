"""A body of OpenAI, Anthropic or Ollama to a `Call`, and events to their frames; pure."""

from __future__ import annotations

from typing import Any, Protocol

from edgellm.errors import EdgeLLMError
from edgellm.server.call import AnswerId, Call
from edgellm.types import Reply, StreamEvent


class Frames(Protocol):
    """The stream of one answer, as bytes. `begin`, any number of `event` and `keep_alive`, then `end` or `failed`."""

    def begin(self) -> list[bytes]:
        """What stands before the first event."""

    def event(self, event: StreamEvent) -> list[bytes]:
        """An event; nothing for what the dialect has no words for."""

    def keep_alive(self) -> bytes:
        """What tells a waiting client that the connection lives; empty where the dialect has nothing."""

    def end(self, reply: Reply) -> list[bytes]:
        """After the last event: why it ended, usage, and the dialect's own end."""

    def failed(self, error: EdgeLLMError, status: int) -> list[bytes]:
        """In place of `end`: what went wrong, well formed, with the dialect's own end."""


class Dialect(Protocol):
    """How one family of clients asks and is answered; nothing here waits, reads or writes."""

    @property
    def media_type(self) -> str:
        """Of a stream: text/event-stream or application/x-ndjson."""

    def call(self, body: Any) -> Call:
        """Raises: InvalidInput with facts `field`."""

    def whole(self, call: Call, reply: Reply, answer: AnswerId) -> dict[str, Any]:
        """The answer in one piece."""

    def frames(self, call: Call, answer: AnswerId) -> Frames:
        """The answer's stream."""

    def error(self, error: EdgeLLMError, status: int) -> dict[str, Any]:
        """The body of a refusal."""
