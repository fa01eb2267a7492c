"""What a caller may say besides the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Literal, TypedDict

from edgellm.types import Constraint, Sampling, Tool


class CompleteOptions(TypedDict, total=False):
    """Keyword arguments of `EdgeLLM.complete`."""

    model: str | None
    """Name or path of a GGUF file, `@ADAPTER` behind it for one of its adapters; None takes the session's model, or
    the default."""
    sampling: Sampling | None
    """How tokens are chosen; None takes the settings' defaults."""
    constraint: Constraint | None
    """What the output must be valid under."""
    deadline_s: float | None
    """Seconds until the answer is cut off with what there is."""
    tenant: str
    """Whose text this is; what is cached of it serves nobody else. Empty: this program's own."""
    trusted: bool
    """False for a caller that passes on requests of others: a constraint may not be a raw grammar, and the caller
    counts the tokens. True unless said otherwise."""


class ChatOptions(CompleteOptions, total=False):
    """Keyword arguments of `EdgeLLM.chat`."""

    system: str | None
    """System message, unless the messages bring their own."""
    session: str | None
    """Id of a session: its history goes in, prompt and answer are stored."""
    parent: str | None
    """The stored message this prompt follows; another than the newest starts a branch."""
    documents: str | None
    """Name of a collection: the answer comes from its passages, with citations that were checked."""
    tools: Sequence[Tool]
    """Functions that the model may call; `Choice.tool_calls` says which it called. Not in a session."""
    tool_choice: str
    """`auto` (the model decides), `none`, `required`, or the name of the tool that has to be called."""
    keep: Literal["newest", "all"]
    """What happens to a conversation that is too long: `newest` leaves its oldest turns out, `all` refuses it."""


def check_names(options: Mapping[str, object], allowed: type) -> None:
    """Refuse misspelt keyword arguments, which a `**` parameter would swallow. Raises: TypeError."""
    known = list(allowed.__annotations__)
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, 1)
            advice = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(known)}."
            raise TypeError(f"Unknown option {name!r}.{advice}")
