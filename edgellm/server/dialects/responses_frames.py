"""The events of an OpenAI response while it is written.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from typing import Any

from edgellm.errors import EdgeLLMError
from edgellm.server.call import AnswerId
from edgellm.server.dialects import wire
from edgellm.server.dialects.asked import Asked
from edgellm.server.dialects.responses_object import WHOLE, Json, TextKind, Writing, finished, logprobs, part
from edgellm.types import Delta, Reply, StreamEvent, TokenTrace, ToolCallPiece

ERROR_CODES = {400: "invalid_prompt", 429: "rate_limit_exceeded"}
"""By HTTP status; everything else is `server_error`."""
TEXT_EVENTS: dict[TextKind, str] = {"reasoning": "response.reasoning_text", "message": "response.output_text"}


class ResponsesFrames:
    """One item is open at a time; another kind of piece, or another call, closes it. Events are numbered from 0."""

    def __init__(self, call: Asked, answer: AnswerId) -> None:
        self._writing = Writing(call, answer)
        self._call = call
        self._number = 0
        self._open = ""
        """The kind of the open item, a call's with its position; empty: none."""
        self._item: Json = {}
        self._text: list[str] = []
        self._tokens: list[TokenTrace] = []
        self._held: tuple[TokenTrace, ...] = ()
        """Tokens whose text has not come yet: the half of a letter, or what may become a stop text."""

    def begin(self) -> list[bytes]:
        """`response.created` and `response.in_progress`."""
        response = self._writing.object("in_progress")
        return [
            self._event("response.created", response=response),
            self._event("response.in_progress", response=response),
        ]

    def event(self, event: StreamEvent) -> list[bytes]:
        """Items, their parts and deltas."""
        if not isinstance(event, Delta):
            return []
        frames: list[bytes] = []
        if reasoning := self._call.reasoning(event.reasoning):
            frames += self._piece_of_text("reasoning", reasoning, ())
        if event.text:
            frames += self._piece_of_text("message", event.text, self._held + event.tokens)
            self._held = ()
        elif not event.reasoning:
            self._held += event.tokens
        for piece in self._call.pieces(event.tool_calls):
            frames += self._piece_of_call(piece)
        return frames

    def keep_alive(self) -> bytes:
        """A comment."""
        return wire.COMMENT

    def end(self, reply: Reply) -> list[bytes]:
        """`response.completed`, or `response.incomplete` when it was cut short."""
        is_whole = reply.finish_reason in WHOLE
        frames = self._close("completed" if is_whole else "incomplete")
        response = finished(self._writing, reply)
        return [*frames, self._event(f"response.{response['status']}", response=response)]

    def failed(self, error: EdgeLLMError, status: int) -> list[bytes]:
        """`response.failed`."""
        frames = self._close("incomplete")
        found = {"code": ERROR_CODES.get(status, "server_error"), "message": str(error)}
        return [*frames, self._event("response.failed", response=self._writing.object("failed", error=found))]

    def _piece_of_text(self, kind: TextKind, text: str, tokens: tuple[TokenTrace, ...]) -> list[bytes]:
        frames: list[bytes] = []
        if self._open != kind:
            frames = [*self._close("completed"), self._added(kind, self._writing.begun(kind))]
            frames.append(self._part_event("response.content_part.added", part=part(kind, "", [])))
        self._text.append(text)
        self._tokens += tokens
        more = {"logprobs": logprobs(tokens)} if kind == "message" else {}
        return [*frames, self._part_event(f"{TEXT_EVENTS[kind]}.delta", delta=text, **more)]

    def _piece_of_call(self, piece: ToolCallPiece) -> list[bytes]:
        frames: list[bytes] = []
        kind = f"function_call {piece.position}"
        if self._open != kind:
            named = {"call_id": piece.id, "name": piece.name, "arguments": ""}
            frames = [*self._close("completed"), self._added(kind, self._writing.begun("function_call") | named)]
        if piece.arguments:
            self._text.append(piece.arguments)
            frames.append(self._item_event("response.function_call_arguments.delta", delta=piece.arguments))
        return frames

    def _added(self, kind: str, item: Json) -> bytes:
        self._open, self._item, self._text, self._tokens = kind, item, [], []
        return self._event("response.output_item.added", output_index=len(self._writing.items), item=item)

    def _close(self, status: str) -> list[bytes]:
        """Events of the open item's end, which is now among the response's items."""
        if not self._open:
            return []
        frames = self._ended_call() if self._open.startswith("function_call") else self._ended_text()
        item = self._item | {"status": status}
        frames.append(self._event("response.output_item.done", output_index=len(self._writing.items), item=item))
        self._writing.items.append(item)
        self._open = ""
        return frames

    def _ended_call(self) -> list[bytes]:
        arguments = "".join(self._text)
        self._item["arguments"] = arguments
        done = "response.function_call_arguments.done"
        return [self._item_event(done, name=self._item["name"], arguments=arguments)]

    def _ended_text(self) -> list[bytes]:
        kind: TextKind = "reasoning" if self._open == "reasoning" else "message"
        if kind == "message":
            self._tokens, self._held = [*self._tokens, *self._held], ()
        text, found = "".join(self._text), logprobs(self._tokens)
        content = part(kind, text, found)
        self._item["content"] = [content]
        more = {"logprobs": found} if kind == "message" else {}
        return [
            self._part_event(f"{TEXT_EVENTS[kind]}.done", text=text, **more),
            self._part_event("response.content_part.done", part=content),
        ]

    def _part_event(self, kind: str, **data: Any) -> bytes:
        return self._item_event(kind, content_index=0, **data)

    def _item_event(self, kind: str, **data: Any) -> bytes:
        return self._event(kind, item_id=self._item["id"], output_index=len(self._writing.items), **data)

    def _event(self, kind: str, **data: Any) -> bytes:
        number = self._number
        self._number += 1
        return wire.event({"type": kind, "sequence_number": number, **data})
