"""A request as the engine takes it: token ids and how to continue them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgellm.engine.call_syntax import Calling
from edgellm.types import Constraint, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One prompt to be continued, once or `sampling.n` times."""

    id: int
    """Chosen by the caller, unique among open requests."""
    prompt: tuple[int, ...]
    """Token ids, never empty."""
    sampling: Sampling
    constraint: Constraint | None = None
    tenant: str = ""
    """Whose text this is; cached text is never shared between tenants."""
    adapter: str | None = None
    """Path of a LoRA file; what it holds when the request is submitted is what the whole answer uses."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer, besides those of `sampling`."""
    deadline_at: float | None = None
    """On the engine's clock, in seconds."""
    conversation: str | None = None
    """Name under which the KV state is kept on disk; None keeps none."""
    reasoning_open: bool = False
    """The rendered prompt ended inside a thinking block."""
    reasoning_tags: tuple[tuple[str, str], ...] = ()
    """Opening and closing texts of thinking blocks; empty: everything is answer text."""
    reasoning_tokens: Mapping[int, str] = field(default_factory=dict)
    """Tags that are control tokens: token id to the tag's text."""
    calling: Calling | None = None
    """How calls of tools are told from text; None where no tool was offered."""
    scores: int | None = None
    """The prompt is not continued: every token of it but the first is reported, with so many alternatives."""

    def tag(self, token: int) -> str:
        """What a control token spells that has a meaning in answers; empty for others."""
        spelled = self.reasoning_tokens.get(token, "")
        return spelled or (self.calling.tokens.get(token, "") if self.calling is not None else "")
