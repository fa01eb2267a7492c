"""Answers in pieces, and streams read back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from edgellm.server.call import AnswerId
from edgellm.server.dialects import Frames
from edgellm.types import Choice, Delta, FinishReason, Reply, Timings, ToolCall, ToolCallPiece, Usage

ANSWER = AnswerId("resp_1", 1_700_000_000)
USAGE = Usage(prompt_tokens=12, cached_tokens=5, completion_tokens=7)
TIMINGS = Timings(load_s=0.5, queue_s=0.1, ttft_s=0.25, prefill_tokens_per_s=70.0, decode_tokens_per_s=12.0)
CALL = ToolCall(id="call_a", name="fare", arguments='{"to": "Oban"}')


def reply(
    text: str = "",
    reason: FinishReason = FinishReason.STOP,
    *,
    reasoning: str | None = None,
    calls: tuple[ToolCall, ...] = (),
    stop: str | None = None,
) -> Reply:
    """A whole answer."""
    choice = Choice(text=text, finish_reason=reason, reasoning=reasoning, tool_calls=calls, stop=stop)
    return Reply(choices=(choice,), model="starter", usage=USAGE, timings=TIMINGS)


def piece(position: int, arguments: str = "", *, id: str = "", name: str = "") -> Delta:
    """A delta with a piece of one call."""
    made = ToolCallPiece(position=position, id=id, name=name, arguments=arguments)
    return Delta(tool_calls=(made,))


def pieces_of(reply: Reply, cuts: Iterable[int]) -> list[Delta]:
    """The answer as deltas: every text is cut at those of `cuts` that fall into it."""
    choice = reply.choices[0]
    deltas = [Delta(reasoning=text) for text in _cut(choice.reasoning or "", cuts)]
    deltas += [Delta(text=text) for text in _cut(choice.text, cuts)]
    for position, call in enumerate(choice.tool_calls):
        deltas.append(piece(position, id=call.id, name=call.name))
        deltas += [piece(position, text) for text in _cut(call.arguments, cuts)]
    return deltas


def _cut(text: str, cuts: Iterable[int]) -> list[str]:
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(text)}), len(text)]
    return [text[start:end] for start, end in pairwise(places) if end > start]


def played(frames: Frames, deltas: Iterable[Delta], reply: Reply) -> bytes:
    """The whole stream."""
    parts = frames.begin()
    for delta in deltas:
        parts += frames.event(delta)
    return b"".join([*parts, *frames.end(reply)])


def sse(stream: bytes) -> list[dict[str, Any]]:
    """The data of server-sent events, each named after its type; comments are passed over."""
    found = []
    for block in stream.decode().split("\n\n")[:-1]:
        if block.startswith(":"):
            continue
        name, data = block.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        found.append(value)
    return found


def json_lines(stream: bytes) -> list[dict[str, Any]]:
    """The values of JSON lines."""
    assert stream.endswith(b"\n")
    return [json.loads(line) for line in stream.splitlines()]
