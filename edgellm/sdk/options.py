"""What a caller may say besides the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypedDict

from edgellm.types import Constraint, Sampling


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


def check_names(options: Mapping[str, object], allowed: type) -> None:
    """Refuse misspelt keyword arguments, which a `**` parameter would swallow. Raises: TypeError."""
    known = list(allowed.__annotations__)
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, 1)
            advice = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(known)}."
            raise TypeError(f"Unknown option {name!r}.{advice}")
