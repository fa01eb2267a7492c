"""What a stream has said so far, put together."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgellm.engine.outcome import Finished
from edgellm.types import Choice, Delta, FinishReason, Notice, StreamEvent, Timings, TokenTrace, Usage


@dataclass(slots=True)
class _Draft:
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    tokens: list[TokenTrace] = field(default_factory=list)

    def choice(self, reason: FinishReason) -> Choice:
        return Choice(
            text="".join(self.text),
            finish_reason=reason,
            reasoning="".join(self.reasoning) or None,
            tokens=tuple(self.tokens),
        )


class Answer:
    """Collects stream events into finished choices."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.notices: list[str] = []
        self.usage = Usage()
        self.timings = Timings()
        self._drafts: dict[int, _Draft] = {}
        self._reasons: dict[int, FinishReason] = {}

    def add(self, event: StreamEvent) -> None:
        """Take in one event."""
        if isinstance(event, Notice):
            self.notices.append(event.text)
        elif isinstance(event, Delta):
            draft = self._drafts.setdefault(event.index, _Draft())
            draft.text.append(event.text)
            draft.reasoning.append(event.reasoning)
            draft.tokens.extend(event.tokens)

    def end(self, outcome: Finished) -> None:
        """Take in the final event."""
        self.usage = outcome.usage
        self.timings = outcome.timings
        self._reasons = {choice.index: choice.finish_reason for choice in outcome.choices}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written."""
        return not any(draft.text or draft.reasoning for draft in self._drafts.values())

    def choices(self) -> tuple[Choice, ...]:
        """Every answer by index; one that never got an ending counts as cancelled."""
        indices = sorted(self._drafts.keys() | self._reasons.keys())
        return tuple(
            self._drafts.get(i, _Draft()).choice(self._reasons.get(i, FinishReason.CANCELLED)) for i in indices
        )
