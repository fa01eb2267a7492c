"""One request being served: its n answers, its counters, its times."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgellm.engine.backend import Sampler
from edgellm.engine.outcome import ChoiceEnd, Finished
from edgellm.engine.request import Request
from edgellm.engine.sequence import Sequence
from edgellm.engine.text import AnswerText
from edgellm.types import FinishReason, Timings, Usage


@dataclass(slots=True, eq=False)
class Choice:
    """One of the n answers."""

    index: int
    sampler: Sampler
    text: AnswerText
    sequence: Sequence | None = None
    """None until the prompt is read, for all but the first answer."""
    completion_tokens: int = 0
    finish_reason: FinishReason | None = None
    """None while it is being written."""
    stop: str | None = None
    """The stop string of the caller's that ended it."""


@dataclass(slots=True, eq=False)
class Answer:
    """What the engine remembers of an open request. Times are on the engine's clock."""

    request: Request
    submitted_at: float
    choices: list[Choice]
    sequence: Sequence
    """The first answer's; it reads the prompt."""
    admitted_at: float | None = None
    first_token_at: float | None = None
    last_token_at: float = 0.0
    computed_tokens: int = 0
    """Prompt tokens that went through the model before the first token."""
    progress_at: float = field(default=0.0)
    """When progress was last reported."""
    scored_tokens: int = 0
    """How many of the prompt's tokens were reported, when it is scored."""

    @property
    def open_choices(self) -> list[Choice]:
        """The answers still being written."""
        return [choice for choice in self.choices if choice.finish_reason is None]

    @property
    def awaits_first_token(self) -> bool:
        """Whether the prompt is not read yet."""
        return self.first_token_at is None

    def note_token(self, now: float) -> None:
        """A token was sampled."""
        if self.first_token_at is None:
            self.first_token_at = now
            self.computed_tokens = min(self.sequence.computed_tokens, len(self.request.prompt))
        self.last_token_at = now

    def finished(self, now: float) -> Finished:
        """The outcome; every answer must have its finish reason."""
        return Finished(
            choices=tuple(
                ChoiceEnd(c.index, c.finish_reason, c.stop) for c in self.choices if c.finish_reason is not None
            ),
            usage=self._usage(),
            timings=self._timings(now),
        )

    def _usage(self) -> Usage:
        prompt_tokens = len(self.request.prompt)
        is_read = self.first_token_at is not None
        return Usage(
            prompt_tokens=prompt_tokens,
            cached_tokens=prompt_tokens - self.computed_tokens if is_read else 0,
            completion_tokens=sum(choice.completion_tokens for choice in self.choices),
        )

    def _timings(self, now: float) -> Timings:
        queue_end = self.admitted_at if self.admitted_at is not None else now
        queue_s = queue_end - self.submitted_at
        if self.admitted_at is None or self.first_token_at is None:
            return Timings(queue_s=queue_s)
        later_tokens = sum(max(0, choice.completion_tokens - 1) for choice in self.choices)
        return Timings(
            queue_s=queue_s,
            ttft_s=self.first_token_at - self.submitted_at,
            prefill_tokens_per_s=_rate(self.computed_tokens, self.first_token_at - self.admitted_at),
            decode_tokens_per_s=_rate(later_tokens, self.last_token_at - self.first_token_at),
        )


def _rate(tokens: int, seconds: float) -> float:
    return tokens / seconds if seconds > 0 else 0.0
