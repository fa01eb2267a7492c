"""One answer in the making: its tokens, its place in memory, its state."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from edgellm.engine.plan import CacheKey, SavedState, Tier
from edgellm.engine.request import Request


class State(Enum):
    """Where a sequence is in its life."""

    WAITING = "waiting"
    """In line; holds no memory. New, preempted, or one of n answers that has only its first token."""
    PREFILL = "prefill"
    """Holds a slot; more than its newest token may still have to be computed."""
    DECODE = "decode"
    """Everything but its newest token is in memory; gains one token a step."""
    ENDED = "ended"


@dataclass(slots=True, eq=False, kw_only=True)
class Sequence:
    """The prompt and what one answer added to it.

    The next token is sampled when every token so far is in memory. How many are is known to the slot
    alone, so that nothing else can disagree with it.
    """

    request: Request
    order: tuple[int, int]
    """Arrival of the request, then index of the answer: smaller is older."""
    limit_tokens: int
    """Most tokens this answer may have."""
    key: CacheKey
    """Whose cached text it may share."""
    generated: list[int] = field(default_factory=list)
    slot: int | None = None
    """The sequence id it occupies; None while it waits and after its end."""
    state: State = State.WAITING
    saved: SavedState | None = None
    """A conversation on disk that begins like this one."""
    tier: Tier | None = None
    """Where its beginning was found at its last admission; None when it had to be computed."""
    computed_tokens: int = 0
    """Tokens that went through the model for this answer."""
    is_forgotten: bool = False
    """Its conversation was forgotten meanwhile: nothing of it is kept."""
    overtaken: int = 0
    """How often a younger request was admitted first because its adapter was in use."""

    @property
    def index(self) -> int:
        """Which of the n answers this is."""
        return self.order[1]

    @property
    def adapter(self) -> str | None:
        """What it is computed with, as the backend calls it."""
        return self.key.adapter

    @property
    def length(self) -> int:
        """Tokens so far, prompt included."""
        return len(self.request.prompt) + len(self.generated)

    def tokens(self) -> tuple[int, ...]:
        """Everything so far; a copy, not for every step."""
        return (*self.request.prompt, *self.generated) if self.generated else self.request.prompt

    def tokens_between(self, start: int, end: int) -> tuple[int, ...]:
        """The tokens at positions `start` up to `end`, without copying the rest."""
        prompt = self.request.prompt
        size = len(prompt)
        if start >= size:
            return tuple(self.generated[start - size : end - size])
        if end <= size:
            return prompt[start:end]
        return (*prompt[start:], *self.generated[: end - size])
