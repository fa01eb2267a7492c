"""How probable a model finds a text, token by token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgellm.engine.outcome import Finished
from edgellm.engine.stream import Stream
from edgellm.engine.supervisor import Worker
from edgellm.errors import DeadlineExceeded, InvalidInput
from edgellm.sdk.engines import Opened
from edgellm.types import Delta, FinishReason, Message, Sampling, Scored, StreamEvent, Timings, Token, TokenTrace, Usage


@dataclass(frozen=True, slots=True)
class Scoring:
    """A text that is being scored. Read it once; leaving early cancels the request."""

    first: Token
    stream: Stream
    model: str
    """The model that reads it, with its adapter."""

    def finish(self) -> Scored:
        """The result. Raises: ContextOverflow, InvalidInput, DeadlineExceeded, EngineError."""
        return self._scored([trace for event in self.stream for trace in _traces(event)])

    async def finish_async(self) -> Scored:
        """As `finish`; cancelling the task cancels the request."""
        return self._scored([trace async for event in self.stream for trace in _traces(event)])

    def close(self) -> None:
        """End it, if it has not ended, and wait for that: then `usage` is known."""
        self.stream.cancel()
        for _ in self.stream:
            continue

    @property
    def usage(self) -> Usage:
        """What was read; nothing before the end, and where the engine failed."""
        outcome = self.stream.outcome
        return outcome.usage if isinstance(outcome, Finished) else Usage()

    @property
    def timings(self) -> Timings | None:
        """How long it took; None where `usage` is not known."""
        outcome = self.stream.outcome
        return outcome.timings if isinstance(outcome, Finished) else None

    def _scored(self, traces: Iterable[TokenTrace]) -> Scored:
        choices = self.stream.result().choices
        if any(choice.finish_reason is FinishReason.DEADLINE for choice in choices):
            raise DeadlineExceeded("The text was not scored in the time that it had.", hint="Score a shorter one.")
        return Scored(first=self.first, tokens=tuple(traces))


@dataclass(frozen=True, slots=True)
class AnswerTokens:
    """A conversation as the model reads it, and where in it the last answer stands."""

    tokens: tuple[int, ...]
    start: int
    end: int
    """Behind the answer's last token; the one that ends the turn follows."""


def answer_tokens(worker: Worker, messages: Sequence[Message]) -> AnswerTokens:
    """The tokens of a conversation that ends with an answer. Raises: InvalidInput, also for one that is too long."""
    if len(messages) < 2 or messages[-1].role != "assistant":
        raise InvalidInput("The conversation does not end with an answer.", hint="Put it last.", field="messages")
    rows = worker.training_rows([messages])[0]
    if isinstance(rows, str):
        raise InvalidInput(f"The answer cannot be found in the conversation: {rows}", field="messages")
    start, end = rows[-1].supervised[-1]
    return AnswerTokens(rows[-1].tokens, start, end - 1)


def begin(
    opened: Opened, prompt: str | Sequence[int], alternatives: int, tenant: str, deadline_s: float | None = None
) -> Scoring:
    """Ask for the log-probabilities of a prompt's own tokens. Raises: InvalidInput, ModelLoadFailed, EngineError."""
    worker = opened.worker
    if isinstance(prompt, str):
        tokens = worker.tokenize(prompt, parse_special=True, add_bos=True)
        ids = tuple(token.id for token in tokens)
    else:
        ids = tuple(prompt)
        tokens = [Token(token, worker.detokenize([token])) for token in ids[:1]]
    if not tokens:
        raise InvalidInput("The prompt is empty.", field="prompt")
    sampling = Sampling(logprobs=alternatives)
    stream = worker.score(ids, sampling=sampling, adapter=opened.adapter, tenant=tenant, deadline_s=deadline_s)
    return Scoring(tokens[0], stream, opened.name)


def _traces(event: StreamEvent) -> tuple[TokenTrace, ...]:
    return event.tokens if isinstance(event, Delta) else ()
