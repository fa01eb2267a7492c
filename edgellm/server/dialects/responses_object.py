"""The response as it grows: its items, and the object that holds them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

from edgellm.server.call import AnswerId
from edgellm.server.dialects.asked import Asked
from edgellm.server.dialects.openai import extras_of
from edgellm.types import Alternative, FinishReason, Reply, TokenTrace, ToolCall, Usage

Json = dict[str, Any]
TextKind = Literal["reasoning", "message"]
WHOLE = (FinishReason.STOP, FinishReason.TOOL_CALLS)
"""Reasons after which nothing is missing; whatever cut an answer short counts as `max_output_tokens`."""
UNLIKELY = -9999.0
"""What OpenAI writes for a token that was out of the question."""
PREFIXES = {"reasoning": "rs", "message": "msg", "function_call": "fc"}


class Writing:
    """The items of one response; the last one may still grow."""

    def __init__(self, call: Asked, answer: AnswerId) -> None:
        self.call = call
        self.answer = answer
        self.items: list[Json] = []

    def add_text(self, kind: TextKind, text: str, tokens: Iterable[TokenTrace] = ()) -> None:
        """A whole message, or whole thinking."""
        self.items.append(self.begun(kind) | {"content": [part(kind, text, logprobs(tokens))]})

    def add_call(self, made: ToolCall) -> None:
        """A whole call."""
        named = {"call_id": made.id, "name": made.name, "arguments": made.arguments}
        self.items.append(self.begun("function_call") | named)

    def begun(self, kind: str) -> Json:
        """The next item, with nothing in it."""
        item: Json = {"id": self._id(PREFIXES[kind]), "type": kind, "status": "in_progress"}
        if kind == "reasoning":
            return item | {"summary": [], "content": []}
        return item | {"role": "assistant", "content": []} if kind == "message" else item

    def object(self, status: str, **more: Any) -> Json:
        """The `response`."""
        return {
            "id": self.answer.id,
            "object": "response",
            "created_at": self.answer.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self.call.model,
            "output": list(self.items),
            "usage": None,
            **self.call.echoed,
            **more,
        }

    def _id(self, prefix: str) -> str:
        stem = self.answer.id.removeprefix("resp_")
        return f"{prefix}_{stem}_{len(self.items)}"


def finished(writing: Writing, reply: Reply) -> Json:
    """The response after the last piece; what was cut short is `incomplete`, and so is its last item."""
    is_whole = reply.finish_reason in WHOLE
    last = len(writing.items) - 1
    for number, item in enumerate(writing.items):
        item["status"] = "completed" if is_whole or number < last else "incomplete"
    details = None if is_whole else {"reason": "max_output_tokens"}
    status = "completed" if is_whole else "incomplete"
    return writing.object(status, incomplete_details=details, usage=usage_of(reply.usage), **extras_of(reply))


def part(kind: TextKind, text: str, found: list[Json]) -> Json:
    """A part of an item: all that it has."""
    if kind == "reasoning":
        return {"type": "reasoning_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": found}


def logprobs(tokens: Iterable[TokenTrace]) -> list[Json]:
    """Tokens with their log-probabilities; empty where none were asked for."""
    return [_logprob(trace) | {"top_logprobs": [_logprob(other) for other in trace.alternatives]} for trace in tokens]


def _logprob(token: TokenTrace | Alternative) -> Json:
    value = token.logprob if math.isfinite(token.logprob) else UNLIKELY
    return {"token": token.text, "bytes": list(token.text.encode("utf-8", "replace")), "logprob": value}


def usage_of(usage: Usage) -> Json:
    """How much was read and written; tokens of thinking are in the count, but not counted apart."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
