"""What a client said that shapes its answer and not the engine's work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgellm.server.call import Call
from edgellm.types import ToolCall, ToolCallPiece


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Call):
    """A `Call` with what its dialect has to remember until the answer is there."""

    shows_reasoning: bool = True
    """False: the client wants no thinking. The engine has no switch for it, so it is left out of the answer."""
    is_one_tool_call: bool = False
    """Only the first of several tool calls is passed on; the model can ask again when it has the result."""
    echoed: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the body that the dialect's answer repeats."""

    def reasoning(self, text: str | None) -> str:
        """Of the model's thinking what the client wants to see."""
        return text or "" if self.shows_reasoning else ""

    def tool_calls(self, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        """Of the model's calls those that the client allows."""
        return calls[:1] if self.is_one_tool_call else calls

    def pieces(self, pieces: tuple[ToolCallPiece, ...]) -> tuple[ToolCallPiece, ...]:
        """The same of pieces of calls."""
        return tuple(piece for piece in pieces if piece.position == 0) if self.is_one_tool_call else pieces


def as_asked(call: Call) -> Asked:
    """What a dialect made itself, or any other call without special wishes."""
    if isinstance(call, Asked):
        return call
    return Asked(model=call.model, sampling=call.sampling, is_stream=call.is_stream, has_usage=call.has_usage)
