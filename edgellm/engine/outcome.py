"""What the engine reports about a request: progress, pieces and exactly one end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgellm.errors import EdgeLLMError, Fact
from edgellm.types import Delta, FinishReason, Timings, Usage


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long prompt has been read."""

    request_id: int
    done_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A new piece of one of the request's answers."""

    request_id: int
    delta: Delta


@dataclass(frozen=True, slots=True)
class ChoiceEnd:
    """Why one of the n answers ended."""

    index: int
    finish_reason: FinishReason
    stop: str | None = None
    """The stop string of the caller's that ended it, when one did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The request was served; a cancelled or late one counts with the text it has."""

    choices: tuple[ChoiceEnd, ...]
    usage: Usage
    timings: Timings


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The request was refused or broke."""

    error: str
    """Class name in `edgellm.errors`."""
    message: str
    hint: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of a request."""

    request_id: int
    outcome: Finished | Failed


EngineEvent = Progress | Piece | Ended


def failed(error: EdgeLLMError) -> Failed:
    """The error as an outcome that can cross a process border."""
    return Failed(error=type(error).__name__, message=error.message, hint=error.hint, facts=dict(error.facts))
