"""The events of an Anthropic message while it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgellm.errors import EdgeLLMError
from edgellm.server.call import AnswerId
from edgellm.server.dialects import wire
from edgellm.server.dialects.asked import Asked
from edgellm.types import Choice, Delta, FinishReason, Reply, StreamEvent, ToolCallPiece, Usage

STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CANCELLED: "max_tokens",
    FinishReason.DEADLINE: "max_tokens",
}
"""Whatever cut an answer short counts as a limit; an answer that a stop string ended is `stop_sequence` instead."""
PING = wire.event({"type": "ping"})


def ending_of(choice: Choice) -> dict[str, Any]:
    """Why an answer ended, and which stop string it was."""
    reason = STOP_REASONS[choice.finish_reason] if choice.stop is None else "stop_sequence"
    return {"stop_reason": reason, "stop_sequence": choice.stop}


def usage_of(usage: Usage) -> dict[str, Any]:
    """Anthropic counts a prompt's tokens apart: those read from the cache, and the others."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }


class AnthropicFrames:
    """One content block is open at a time; another kind of piece, or another call, closes it."""

    def __init__(self, call: Asked, answer: AnswerId, error: Callable[[EdgeLLMError, int], dict[str, Any]]) -> None:
        """`error`: how the dialect writes one."""
        self._call = call
        self._answer = answer
        self._error = error
        self._index = -1
        self._open = ""
        """The kind of the open block, a call's with its position; empty: none."""

    def begin(self) -> list[bytes]:
        """`message_start`. Its usage is not known yet; `message_delta` has it."""
        message: dict[str, Any] = {
            "id": self._answer.id,
            "type": "message",
            "role": "assistant",
            "model": self._call.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_of(Usage()),
        }
        return [wire.event({"type": "message_start", "message": message})]

    def event(self, event: StreamEvent) -> list[bytes]:
        """Blocks and their deltas."""
        if not isinstance(event, Delta):
            return []
        frames: list[bytes] = []
        if reasoning := self._call.reasoning(event.reasoning):
            frames += self._block("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            frames.append(self._delta({"type": "thinking_delta", "thinking": reasoning}))
        if event.text:
            frames += self._block("text", {"type": "text", "text": ""})
            frames.append(self._delta({"type": "text_delta", "text": event.text}))
        for piece in self._call.pieces(event.tool_calls):
            frames += self._piece(piece)
        return frames

    def keep_alive(self) -> bytes:
        """`ping`."""
        return PING

    def end(self, reply: Reply) -> list[bytes]:
        """`message_delta` with reason and usage, and `message_stop`."""
        delta = ending_of(reply.choices[0])
        return [
            *self._close(),
            wire.event({"type": "message_delta", "delta": delta, "usage": usage_of(reply.usage)}),
            wire.event({"type": "message_stop"}),
        ]

    def failed(self, error: EdgeLLMError, status: int) -> list[bytes]:
        """`error`, after which nothing comes."""
        return [wire.event(self._error(error, status))]

    def _piece(self, piece: ToolCallPiece) -> list[bytes]:
        block = {"type": "tool_use", "id": piece.id, "name": piece.name, "input": {}}
        frames = self._block(f"tool_use {piece.position}", block)
        if piece.arguments:
            frames.append(self._delta({"type": "input_json_delta", "partial_json": piece.arguments}))
        return frames

    def _block(self, kind: str, content: dict[str, Any]) -> list[bytes]:
        """Open a block unless one of this kind is open."""
        if kind == self._open:
            return []
        frames = self._close()
        self._open = kind
        self._index += 1
        start = {"type": "content_block_start", "index": self._index, "content_block": content}
        return [*frames, wire.event(start)]

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return wire.event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self) -> list[bytes]:
        if not self._open:
            return []
        self._open = ""
        return [wire.event({"type": "content_block_stop", "index": self._index})]
