"""An engine on the fake model with a clock that tests turn, and a record of everything it reports."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from edgellm.engine.backend import Span, StepAborted
from edgellm.engine.config import EngineConfig
from edgellm.engine.fake import FakeBackend
from edgellm.engine.loop import Engine
from edgellm.engine.outcome import Ended, EngineEvent, Failed, Finished, Piece, Progress
from edgellm.engine.request import Request
from edgellm.types import FinishReason, Sampling, TokenTrace

GREEDY = Sampling(temperature=0.0)
LONG = "A prompt that goes on for a while, so that reading it again would cost something. "


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class WatchedBackend(FakeBackend):
    """A fake that takes clock time, remembers its steps, and aborts on demand."""

    def __init__(self, config: EngineConfig, clock: Clock) -> None:
        super().__init__(config)
        self.clock = clock
        self.steps: list[tuple[tuple[Span, ...], str | None]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.aborts_next = False

    def run(self, spans: Sequence[Span], adapter: str | None) -> None:
        self.clock.now += 0.001 * sum(len(span.tokens) for span in spans)
        if self.aborts_next:
            self.aborts_next = False
            raise StepAborted("on demand")
        super().run(spans, adapter)
        self.steps.append((tuple(spans), adapter))

    def share(self, source: int, target: int, end: int) -> None:
        self.calls.append(("share", source, target, end))
        super().share(source, target, end)

    def trim(self, sequence: int, start: int) -> None:
        self.calls.append(("trim", sequence, start))
        super().trim(sequence, start)

    def save(self, sequence: int) -> bytes:
        self.calls.append(("save", sequence))
        return super().save(sequence)

    def restore(self, sequence: int, state: bytes) -> None:
        self.calls.append(("restore", sequence, len(state)))
        super().restore(sequence, state)

    def held(self, sequence: int) -> int:
        return len(self._held[sequence])

    @property
    def computed_tokens(self) -> int:
        return sum(len(span.tokens) for spans, _ in self.steps for span in spans)


class Bench:
    """An engine, its backend, and what came out."""

    def __init__(self, **config: Any) -> None:
        self.config = EngineConfig(**{"model_path": "fake:", "context_tokens": 256, **config})
        self.clock = Clock()
        self.backend = WatchedBackend(self.config, self.clock)
        self.events: list[EngineEvent] = []
        self.engine = Engine(self.backend, self.config, self._note, self.clock)
        self.outcomes: dict[int, Finished | Failed] = {}
        self._next_id = 0

    def _note(self, event: EngineEvent) -> None:
        assert event.request_id not in self.outcomes, f"{event} came after the end"
        self.events.append(event)
        if isinstance(event, Ended):
            self.outcomes[event.request_id] = event.outcome

    def submit(self, prompt: str | tuple[int, ...], sampling: Sampling = GREEDY, **fields: Any) -> int:
        tokens = tuple(prompt.encode()) if isinstance(prompt, str) else prompt
        request = Request(id=self._next_id, prompt=tokens, sampling=sampling, **fields)
        self._next_id += 1
        self.engine.submit(request)
        return request.id

    def settle(self, most_steps: int = 5_000) -> int:
        """Step until nothing is left to do. Returns the number of steps."""
        for step in range(most_steps):
            if not self.engine.step():
                return step
        raise AssertionError(f"still busy after {most_steps} steps")

    def run(self, prompt: str | tuple[int, ...], sampling: Sampling = GREEDY, **fields: Any) -> str:
        """One request to its end. Returns its text."""
        request_id = self.submit(prompt, sampling, **fields)
        self.settle()
        return self.text(request_id)

    def text(self, request_id: int, index: int = 0) -> str:
        return "".join(piece.delta.text for piece in self.pieces(request_id) if piece.delta.index == index)

    def reasoning(self, request_id: int) -> str:
        return "".join(piece.delta.reasoning for piece in self.pieces(request_id))

    def pieces(self, request_id: int) -> list[Piece]:
        return [event for event in self.events if isinstance(event, Piece) and event.request_id == request_id]

    def progress(self, request_id: int) -> list[Progress]:
        return [event for event in self.events if isinstance(event, Progress) and event.request_id == request_id]

    def finished(self, request_id: int) -> Finished:
        outcome = self.outcomes[request_id]
        assert isinstance(outcome, Finished), outcome
        return outcome

    def reason(self, request_id: int, index: int = 0) -> FinishReason:
        return self.finished(request_id).choices[index].finish_reason

    def failed(self, request_id: int) -> Failed:
        outcome = self.outcomes[request_id]
        assert isinstance(outcome, Failed), outcome
        return outcome


@lru_cache(maxsize=4096)
def greedy_text(prompt: tuple[int, ...], adapter: str | None, most_tokens: int) -> str:
    """What the fake model writes after `prompt` with nothing else in its memory."""
    config = EngineConfig(model_path="fake:", context_tokens=4096, max_running=1, max_parked=0)
    backend = FakeBackend(config)
    sampler = backend.open_sampler(GREEDY, 0, None, prompt)
    adapter = None if adapter is None else backend.open_adapter(adapter)
    answer: list[int] = []
    step = list(prompt)
    while len(answer) < most_tokens:
        start = len(prompt) + len(answer) - 1 if answer else 0
        backend.run([Span(0, start, step, True)], adapter)
        token = backend.sample(0, sampler).token
        if backend.is_end(token):
            break
        answer.append(token)
        step = [token]
    return b"".join(map(backend.piece, answer)).decode("utf-8", "ignore")


@lru_cache(maxsize=4096)
def scores_of(prompt: tuple[int, ...], adapter: str | None, alternatives: int = 1) -> list[TokenTrace]:
    """What the fake model says of a prompt's own tokens after the first, read in one piece."""
    backend = FakeBackend(EngineConfig(model_path="fake:", context_tokens=4096, max_parked=len(prompt)))
    name = None if adapter is None else backend.open_adapter(adapter)
    backend.run([Span(0, 0, prompt, False, wants_all=True)], name)
    return backend.score(0, prompt[1:], alternatives)
