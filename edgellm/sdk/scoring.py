"""How probable a model finds a text, token by token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgellm.engine.stream import Stream
from edgellm.errors import InvalidInput
from edgellm.sdk.engines import Opened
from edgellm.types import Delta, Sampling, Scored, StreamEvent, Token, TokenTrace


@dataclass(frozen=True, slots=True)
class Scoring:
    """A text that is being scored. Read it once; leaving early cancels the request."""

    first: Token
    stream: Stream

    def finish(self) -> Scored:
        """The result. Raises: ContextOverflow, InvalidInput, EngineError."""
        return self._scored([trace for event in self.stream for trace in _traces(event)])

    async def finish_async(self) -> Scored:
        """As `finish`; cancelling the task cancels the request."""
        return self._scored([trace async for event in self.stream for trace in _traces(event)])

    def _scored(self, traces: Iterable[TokenTrace]) -> Scored:
        self.stream.result()
        return Scored(first=self.first, tokens=tuple(traces))


def begin(opened: Opened, prompt: str | Sequence[int], alternatives: int, tenant: str) -> Scoring:
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
    return Scoring(tokens[0], worker.score(ids, sampling=sampling, adapter=opened.adapter, tenant=tenant))


def _traces(event: StreamEvent) -> tuple[TokenTrace, ...]:
    return event.tokens if isinstance(event, Delta) else ()
