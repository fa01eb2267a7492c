"""What a client asks for, whichever dialect it speaks."""

from __future__ import annotations

from dataclasses import dataclass

from edgellm.types import Constraint, Message, Sampling, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request for an answer: either a conversation (`messages`) or a text to go on with (`prompt`)."""

    model: str
    """As the client wrote it; the answer echoes it."""
    messages: tuple[Message, ...] = ()
    prompt: str | tuple[int, ...] | None = None
    """A completion in place of a conversation: a text, or token ids."""
    sampling: Sampling
    constraint: Constraint | None = None
    constraint_field: str = "constraint"
    """What its client calls that."""
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    """`auto`, `none`, `required`, or a tool's name."""
    is_stream: bool = False
    has_usage: bool = False
    """Usage in the stream, where the dialect asks for it."""
    echo: bool = False
    """Whether a completion begins with its prompt; with `sampling.max_tokens` of 0 it is nothing else."""


@dataclass(frozen=True, slots=True)
class AnswerId:
    """An answer's name in the client's eyes."""

    id: str
    created: int
    """Seconds since 1970."""
