"""What a stream has said so far, put together."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from edgellm.engine.outcome import ChoiceEnd, Finished
from edgellm.types import (
    Choice,
    Delta,
    FinishReason,
    Notice,
    StreamEvent,
    Timings,
    TokenTrace,
    ToolCall,
    ToolCallPiece,
    Usage,
)


@dataclass(slots=True)
class _Call:
    id: str
    name: str
    arguments: list[str] = field(default_factory=list)

    def whole(self) -> ToolCall | None:
        """The call; None when it was cut off before its arguments were JSON."""
        text = "".join(self.arguments)
        try:
            is_object = isinstance(json.loads(text), dict)
        except (ValueError, RecursionError):
            is_object = False
        return ToolCall(id=self.id, name=self.name, arguments=text) if is_object else None

    def as_text(self) -> str:
        """What was written of it."""
        return f'<tool_call>{{"name": "{self.name}", "arguments": {"".join(self.arguments)}'


@dataclass(slots=True)
class _Draft:
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    tokens: list[TokenTrace] = field(default_factory=list)
    calls: dict[int, _Call] = field(default_factory=dict)

    def add_call(self, piece: ToolCallPiece) -> None:
        call = self.calls.setdefault(piece.position, _Call(piece.id, piece.name))
        call.arguments.append(piece.arguments)

    def choice(self, end: ChoiceEnd) -> Choice:
        calls = [(call, call.whole()) for call in self.calls.values()]
        broken = [call.as_text() for call, whole in calls if whole is None]  # never lost
        return Choice(
            text="".join((*self.text, *broken)),
            tool_calls=tuple(whole for _, whole in calls if whole is not None),
            finish_reason=end.finish_reason,
            reasoning="".join(self.reasoning) or None,
            tokens=tuple(self.tokens),
            stop=end.stop,
        )


class Answer:
    """Collects stream events into finished choices."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.notices: list[str] = []
        self.usage = Usage()
        self.timings = Timings()
        self._drafts: dict[int, _Draft] = {}
        self._ends: dict[int, ChoiceEnd] = {}

    def add(self, event: StreamEvent) -> None:
        """Take in one event."""
        if isinstance(event, Notice):
            self.notices.append(event.text)
        elif isinstance(event, Delta):
            draft = self._drafts.setdefault(event.index, _Draft())
            draft.text.append(event.text)
            draft.reasoning.append(event.reasoning)
            draft.tokens.extend(event.tokens)
            for piece in event.tool_calls:
                draft.add_call(piece)

    def end(self, outcome: Finished) -> None:
        """Take in the final event."""
        self.usage = outcome.usage
        self.timings = outcome.timings
        self._ends = {end.index: end for end in outcome.choices}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written."""
        return not any(draft.text or draft.reasoning or draft.calls for draft in self._drafts.values())

    def choices(self) -> tuple[Choice, ...]:
        """Every answer by index; one that never got an ending counts as cancelled."""
        indices = sorted(self._drafts.keys() | self._ends.keys())
        return tuple(
            self._drafts.get(i, _Draft()).choice(self._ends.get(i, ChoiceEnd(i, FinishReason.CANCELLED)))
            for i in indices
        )
