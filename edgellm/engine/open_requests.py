"""The open requests: what each holds, and that each gets exactly one end."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import ExitStack

from edgellm.engine.answer import Answer, Choice
from edgellm.engine.backend import Backend, Sampler
from edgellm.engine.metrics import Counts
from edgellm.engine.outcome import Ended, EngineEvent, Piece, failed
from edgellm.engine.request import Request
from edgellm.engine.scheduler import Scheduler
from edgellm.engine.sequence import Sequence
from edgellm.engine.text import AnswerText
from edgellm.engine.toolcalls import CallSplitter
from edgellm.errors import ContextOverflow, EdgeLLMError, InvalidInput, QueueFull
from edgellm.types import Delta, FinishReason

SEEDS = 2**32 - 1
"""Seeds are below this."""


class OpenRequests:
    """Owner of the requests that have not ended, and of the samplers and adapters they use.

    `emit` receives every event; a request's `Ended` comes last and once.
    """

    def __init__(
        self,
        backend: Backend,
        scheduler: Scheduler,
        counts: Counts,
        emit: Callable[[EngineEvent], None],
        clock: Callable[[], float],
    ) -> None:
        self._backend = backend
        self._scheduler = scheduler
        self._counts = counts
        self._emit = emit
        self._clock = clock
        self._context_tokens = backend.info.context_tokens
        self._answers: dict[int, Answer] = {}
        self._deadlines: dict[int, float] = {}

    def __getitem__(self, request_id: int) -> Answer:
        return self._answers[request_id]

    @property
    def next_deadline(self) -> float | None:
        """When the next one is late, on the engine's clock."""
        return min(self._deadlines.values(), default=None)

    def open(self, request: Request) -> Answer | None:
        """Put a request in line. None: it was refused, and has its end."""
        if request.id in self._answers:
            raise ValueError(f"request id {request.id} is still in use")
        try:
            self._check(request)
            answer = self._accept(request)
        except (InvalidInput, QueueFull) as refusal:
            self._counts.refused += 1
            self._emit(Ended(request.id, failed(refusal)))
            return None
        self._answers[request.id] = answer
        if request.deadline_at is not None:
            self._deadlines[request.id] = request.deadline_at
        return answer

    def cancel(self, request_id: int) -> None:
        """End a request with the text it has; nothing happens when it is unknown or has ended."""
        answer = self._answers.get(request_id)
        if answer is not None:
            self._finish(answer, FinishReason.CANCELLED)

    def end_late(self, now: float) -> None:
        """End those whose time is up, with the text they have."""
        for request_id in [id for id, at in self._deadlines.items() if at <= now]:
            self._finish(self._answers[request_id], FinishReason.DEADLINE)

    def end_stuck(self, sequence: Sequence) -> None:
        """The cache cannot hold this sequence even alone: an answer ends here, a prompt is refused."""
        answer = self._answers[sequence.request.id]
        if not answer.awaits_first_token:
            self.end_choice(answer, answer.choices[sequence.index], FinishReason.LENGTH)
            return
        cells = self._scheduler.memory.slots.capacity
        overflow = ContextOverflow(
            f"The prompt has {len(answer.request.prompt)} tokens; the model runtime has room for {cells} only.",
            hint="Shorten the prompt.",
            prompt_tokens=len(answer.request.prompt),
            context_tokens=cells,
        )
        self.fail(answer, overflow)

    def end_choice(self, answer: Answer, choice: Choice, reason: FinishReason) -> None:
        """Close one answer; the last one closes the request."""
        text, reasoning = choice.text.finish()
        calls = choice.text.take_calls()
        if text or reasoning or calls:
            delta = Delta(text=text, reasoning=reasoning, tool_calls=calls, index=choice.index)
            self._emit(Piece(answer.request.id, delta))
        if reason is FinishReason.STOP and choice.text.has_calls:
            reason = FinishReason.TOOL_CALLS
        if reason is FinishReason.STOP and choice.text.stopped_by in answer.request.sampling.stop:
            choice.stop = choice.text.stopped_by  # one of the format's own is how its model ends a turn
        self._drop_choice(choice, reason)
        if not answer.open_choices:
            self._close(answer)
            finished = answer.finished(self._clock())
            self._counts.note_finished(finished)
            self._emit(Ended(answer.request.id, finished))

    def fail(self, answer: Answer, error: EdgeLLMError) -> None:
        """End a request with an error, unless it has ended."""
        if answer.request.id not in self._answers:
            return
        for choice in answer.open_choices:
            self._drop_choice(choice, FinishReason.CANCELLED)
        self._close(answer)
        self._counts.failed += 1
        self._emit(Ended(answer.request.id, failed(error)))

    def fail_all(self, error: EdgeLLMError) -> None:
        """End every request with the same error."""
        for answer in list(self._answers.values()):
            self.fail(answer, error)

    def _check(self, request: Request) -> None:
        """Raises: InvalidInput, ContextOverflow, QueueFull."""
        prompt_tokens = len(request.prompt)
        if prompt_tokens == 0:
            raise InvalidInput("The prompt is empty.", hint="Send at least one token.", field="prompt")
        is_answered = request.scores is None
        if prompt_tokens + is_answered > self._context_tokens:
            answer = ", answer included" if is_answered else ""
            raise ContextOverflow(
                f"The prompt has {prompt_tokens} tokens; the context holds {self._context_tokens}{answer}.",
                hint="Shorten the prompt or open the model with a larger context.",
                prompt_tokens=prompt_tokens,
                context_tokens=self._context_tokens,
            )
        if self._scheduler.is_full:
            limit = self._scheduler.most_waiting
            raise QueueFull(f"{limit} requests are waiting already.", hint="Try again in a moment.", limit=limit)

    def _accept(self, request: Request) -> Answer:
        """Open what the request needs, all of it or nothing. Raises: InvalidInput, InvalidSchema."""
        with ExitStack() as opened:
            samplers = self._open_samplers(request, opened)
            adapter = self._backend.open_adapter(request.adapter) if request.adapter is not None else None
            opened.pop_all()
        room = self._context_tokens - len(request.prompt)
        sequence = self._scheduler.submit(request, min(room, request.sampling.max_tokens or room), adapter)
        choices = [Choice(index, sampler, _answer_text(request)) for index, sampler in enumerate(samplers)]
        choices[0].sequence = sequence
        return Answer(request, self._clock(), choices, sequence)

    def _open_samplers(self, request: Request, opened: ExitStack) -> list[Sampler]:
        """One a choice, each with its own seed."""
        sampling = request.sampling
        seed = secrets.randbelow(SEEDS) if sampling.seed is None else sampling.seed
        samplers: list[Sampler] = []
        for index in range(sampling.n):
            sampler = self._backend.open_sampler(sampling, (seed + index) % SEEDS, request.constraint, request.prompt)
            opened.callback(sampler.close)
            samplers.append(sampler)
        return samplers

    def _drop_choice(self, choice: Choice, reason: FinishReason) -> None:
        choice.finish_reason = reason
        choice.sampler.close()
        if choice.sequence is not None:
            self._scheduler.end(choice.sequence)

    def _close(self, answer: Answer) -> None:
        del self._answers[answer.request.id]
        self._deadlines.pop(answer.request.id, None)
        if answer.sequence.adapter is not None:
            self._backend.close_adapter(answer.sequence.adapter)

    def _finish(self, answer: Answer, reason: FinishReason) -> None:
        """End all answers that are still being written."""
        for choice in answer.open_choices:
            self.end_choice(answer, choice, reason)


def _answer_text(request: Request) -> AnswerText:
    return AnswerText(
        stop=(*request.sampling.stop, *request.stop),
        reasoning_tags=request.reasoning_tags,
        reasoning_open=request.reasoning_open,
        calls=None if request.calling is None else CallSplitter(request.calling, _new_call_id),
    )


def _new_call_id() -> str:
    return f"call_{secrets.token_hex(12)}"
