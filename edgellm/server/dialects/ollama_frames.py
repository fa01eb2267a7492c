"""The lines of an Ollama answer while it is written, and its counters."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from edgellm.errors import EdgeLLMError
from edgellm.server.call import AnswerId
from edgellm.server.dialects import wire
from edgellm.server.dialects.asked import Asked
from edgellm.server.dialects.fields import json_object
from edgellm.types import Delta, FinishReason, Reply, StreamEvent, ToolCall, ToolCallPiece

CUT = (FinishReason.LENGTH, FinishReason.CANCELLED, FinishReason.DEADLINE)
"""Whatever cut an answer short counts as a limit."""


def moment(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def head(model: str, answer: AnswerId) -> dict[str, Any]:
    """What every answer and every line begins with."""
    return {"model": model, "created_at": moment(answer.created)}


def error_body(error: EdgeLLMError) -> dict[str, Any]:
    """`{"error": "..."}`, as an answer and as a line."""
    return {"error": str(error)}


def finish_of(reply: Reply) -> dict[str, Any]:
    """That it is over, and why."""
    return {"done": True, "done_reason": "length" if reply.finish_reason in CUT else "stop"}


def counters(reply: Reply) -> dict[str, Any]:
    """Tokens, and durations in nanoseconds, computed from the measured rates; `total_duration` includes waiting."""
    usage, timings = reply.usage, reply.timings
    prompt_s = _seconds(usage.prompt_tokens - usage.cached_tokens, timings.prefill_tokens_per_s)
    eval_s = _seconds(usage.completion_tokens - 1, timings.decode_tokens_per_s)
    return {
        "total_duration": _nanoseconds(timings.load_s + timings.ttft_s + eval_s),
        "load_duration": _nanoseconds(timings.load_s),
        "prompt_eval_count": usage.prompt_tokens,
        "prompt_eval_duration": _nanoseconds(prompt_s),
        "eval_count": usage.completion_tokens,
        "eval_duration": _nanoseconds(eval_s),
    }


def tool_calls(calls: Iterable[ToolCall]) -> list[dict[str, Any]]:
    """Calls with their arguments as objects; one that the model was cut off in is left out, as nobody can run it."""
    found = ((made, json_object(made.arguments)) for made in calls)
    whole = [(made, given) for made, given in found if given is not None]
    return [
        {"id": made.id, "function": {"index": index, "name": made.name, "arguments": given}}
        for index, (made, given) in enumerate(whole)
    ]


class OllamaFrames:
    """A line for each piece. Calls have no pieces in this dialect: they come whole, before the last line."""

    def __init__(self, call: Asked, answer: AnswerId, *, is_chat: bool) -> None:
        self._call = call
        self._head = head(call.model, answer)
        self._is_chat = is_chat
        self._calls: dict[int, list[ToolCallPiece]] = {}

    def begin(self) -> list[bytes]:
        """Nothing."""
        return []

    def event(self, event: StreamEvent) -> list[bytes]:
        """A line for thinking, a line for text."""
        if not isinstance(event, Delta):
            return []
        for piece in self._call.pieces(event.tool_calls):
            self._calls.setdefault(piece.position, []).append(piece)
        lines = []
        if thinking := self._call.reasoning(event.reasoning):
            lines.append(self._line("", {"thinking": thinking}))
        if event.text:
            lines.append(self._line(event.text, {}))
        return lines

    def keep_alive(self) -> bytes:
        """A line without a word: a client reads every line as JSON, and there are no comments."""
        return self._line("", {})

    def end(self, reply: Reply) -> list[bytes]:
        """The calls, and a line with reason and counters."""
        lines = []
        if calls := tool_calls(map(_joined, self._calls.values())):
            lines.append(self._line("", {"tool_calls": calls}))
        return [*lines, self._line("", {}, finish_of(reply) | counters(reply))]

    def failed(self, error: EdgeLLMError, status: int) -> list[bytes]:  # noqa: ARG002  a line has no status
        """A line with `error`, after which nothing comes."""
        return [wire.line(error_body(error))]

    def _line(self, text: str, more: dict[str, Any], end: dict[str, Any] | None = None) -> bytes:
        said: dict[str, Any] = {"response": text, **more}
        if self._is_chat:
            said = {"message": {"role": "assistant", "content": text, **more}}
        return wire.line(self._head | said | (end or {"done": False}))


def _joined(pieces: list[ToolCallPiece]) -> ToolCall:
    arguments = "".join(piece.arguments for piece in pieces)
    return ToolCall(id=pieces[0].id, name=pieces[0].name, arguments=arguments)


def _seconds(tokens: int, tokens_per_s: float) -> float:
    return max(0, tokens) / tokens_per_s if tokens_per_s > 0 else 0.0


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
