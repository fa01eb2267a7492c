"""The engine: plan a step, run it, apply what came out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgellm.engine.answer import Answer, Choice
from edgellm.engine.backend import Backend, OutOfCells, Sampled, Span, StepAborted
from edgellm.engine.config import EngineConfig
from edgellm.engine.metrics import Counts, EngineMetrics
from edgellm.engine.mover import Mover
from edgellm.engine.open_requests import OpenRequests
from edgellm.engine.outcome import EngineEvent, Piece, Progress
from edgellm.engine.pace import Pace
from edgellm.engine.plan import Plan
from edgellm.engine.request import Request
from edgellm.engine.saved_conversations import ConversationStore
from edgellm.engine.scheduler import Scheduler
from edgellm.engine.threads import ThreadPolicy
from edgellm.errors import EngineError, InvalidInput
from edgellm.types import Delta, FinishReason

PROGRESS_EVERY_S = 0.1


class Engine:
    """Serves many requests at once on one backend; one thread calls everything.

    `emit` receives every event, each request's `Ended` last and once.
    """

    def __init__(
        self,
        backend: Backend,
        config: EngineConfig,
        emit: Callable[[EngineEvent], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._emit = emit
        self._clock = clock
        self._counts = Counts()
        self._scheduler = Scheduler(backend.info, config)
        self._requests = OpenRequests(backend, self._scheduler, self._counts, emit, clock)
        self._pace = Pace(
            batch_tokens=config.batch_tokens,
            step_target_s=config.step_target_s,
            solo_step_target_s=config.solo_step_target_s,
            tile_tokens=backend.info.tile_tokens,
        )
        is_choice_ours = config.threads is None and backend.info.threads > 1
        self._threads = ThreadPolicy(backend.info.threads) if is_choice_ours else None
        self._used_threads = backend.info.threads
        conversations = _conversation_store(config, backend.info.fingerprint)
        self._mover = Mover(backend, self._scheduler.memory, conversations)

    # requests

    def submit(self, request: Request) -> None:
        """Take a request, or end it at once as refused."""
        answer = self._requests.open(request)
        if answer is not None:
            self._mover.find_conversation(answer.sequence)

    def cancel(self, request_id: int) -> None:
        """End a request with the text it has; nothing happens when it is unknown or has ended."""
        self._requests.cancel(request_id)

    @property
    def next_deadline(self) -> float | None:
        """When `step` is needed although nothing arrives, on the engine's clock."""
        return self._requests.next_deadline

    def close(self) -> None:
        """End all open requests as failed. The backend stays open: it belongs to the caller."""
        self._requests.fail_all(EngineError("The engine was closed before the answer was complete."))

    # a step

    def step(self) -> bool:
        """Plan, run, apply. Returns False when there is nothing to do.

        Raises: whatever broke the backend, after every open request has ended as failed.
        """
        started_at = self._clock()
        self._requests.end_late(started_at)
        try:
            return self._step(started_at)
        except Exception as broken:
            hint = "The model has to be opened again."
            self._requests.fail_all(EngineError(f"The model runtime failed: {broken}", hint=hint))
            raise

    def _step(self, started_at: float) -> bool:
        plan = self._scheduler.plan(self._pace)
        if not self._mover.move(plan.memory):
            return True
        if plan.stuck is not None:
            self._requests.end_stuck(plan.stuck)
            return True
        if not plan.spans:
            return bool(plan.memory) or self._mover.write_one()
        self._note_admitted(plan, started_at)
        self._choose_threads(plan)
        run_at = self._clock()
        try:
            self._backend.run(plan.spans, plan.adapter)
        except StepAborted:
            self._counts.aborted_steps += 1
            return True
        except OutOfCells:
            self._scheduler.learn_capacity(plan)
            return True
        except InvalidInput as problem:  # a token that the model does not know
            for answer in [self._requests[sequence.request.id] for sequence in plan.sequences]:
                self._requests.fail(answer, problem)
            return True
        run_s = self._clock() - run_at
        self._scheduler.advance(plan)
        sample_s = self._apply(plan)
        self._measure(plan, self._clock() - started_at, run_s, sample_s)
        return True

    def _apply(self, plan: Plan) -> float:
        """Sample every row that is due, then hand the tokens out. Returns the seconds spent sampling."""
        sample_at = self._clock()
        drawn: list[tuple[Answer, Choice, Sampled | InvalidInput]] = []
        for row, (span, sequence) in enumerate(zip(plan.spans, plan.sequences, strict=True)):
            answer = self._requests[sequence.request.id]
            if span.wants_all:
                self._score(row, span, answer)
                continue
            if not span.wants_logits:
                self._report_progress(answer, span.start + len(span.tokens), sample_at)
                continue
            due = answer.choices if answer.awaits_first_token else [answer.choices[sequence.index]]
            drawn.extend((answer, choice, self._sample(row, choice)) for choice in due)
        now = self._clock()
        for answer, choice, sampled in drawn:
            if isinstance(sampled, InvalidInput):
                self._requests.fail(answer, sampled)
            elif choice.finish_reason is None:  # it may have failed with a sibling
                self._take(answer, choice, sampled, now)
        return now - sample_at

    def _score(self, row: int, span: Span, answer: Answer) -> None:
        """Report the prompt tokens that follow the span's positions; the last one ends the request."""
        request, end = answer.request, span.start + len(span.tokens)
        assert request.scores is not None
        traces = self._backend.score(row, request.prompt[span.start + 1 : end + 1], request.scores)
        new = traces[max(0, answer.scored_tokens - span.start) :]  # preempted, it is read once more
        answer.scored_tokens += len(new)
        if new:
            self._emit(Piece(request.id, Delta(tokens=tuple(new))))
        if end == len(request.prompt):
            self._requests.end_choice(answer, answer.choices[0], FinishReason.STOP)

    def _sample(self, row: int, choice: Choice) -> Sampled | InvalidInput:
        try:
            return self._backend.sample(row, choice.sampler)
        except InvalidInput as problem:  # a constraint that the answer cannot satisfy concerns this request alone
            return problem

    def _take(self, answer: Answer, choice: Choice, sampled: Sampled, now: float) -> None:
        """One more token of one answer: its text goes out, and the answer goes on or ends."""
        answer.note_token(now)
        choice.completion_tokens += 1
        token = sampled.token
        text = reasoning = ""
        is_end = self._backend.is_end(token)
        if not is_end:
            text, reasoning = choice.text.push(self._backend.piece(token), answer.request.tag(token))
        calls = choice.text.take_calls()
        traces = () if sampled.trace is None or is_end else (sampled.trace,)
        if text or reasoning or traces or calls:
            delta = Delta(text=text, reasoning=reasoning, tokens=traces, tool_calls=calls, index=choice.index)
            self._emit(Piece(answer.request.id, delta))
        if is_end or choice.text.is_stopped:
            self._requests.end_choice(answer, choice, FinishReason.STOP)
        elif choice.completion_tokens >= answer.sequence.limit_tokens:
            self._requests.end_choice(answer, choice, FinishReason.LENGTH)
        elif choice.sequence is None:
            choice.sequence = self._scheduler.fork(answer.sequence, choice.index, token)
        else:
            self._scheduler.append(choice.sequence, token)

    # conversations

    def save_conversations(self) -> None:
        """Write every parked conversation that is not on disk yet: before the process exits, or when idle."""
        self._mover.save_conversations()

    def forget_conversation(self, conversation: str) -> None:
        """Remove what is kept of a conversation; nothing will be kept of its requests that still run."""
        self._scheduler.forget_conversation(conversation)
        self._mover.forget_conversation(conversation)

    # measurements

    def _choose_threads(self, plan: Plan) -> None:
        if self._threads is None:
            return
        is_prefill = any(len(span.tokens) > 1 for span in plan.spans)
        threads = self._threads.most if is_prefill else self._threads.threads
        if threads != self._used_threads:
            self._used_threads = threads
            self._backend.set_threads(threads)

    def metrics(self) -> EngineMetrics:
        """A reading of all counters."""
        scheduler, counts, memory = self._scheduler, self._counts, self._scheduler.memory
        return replace(
            counts.reading(),
            running=len(scheduler.running),
            waiting=len(scheduler.waiting),
            parked=len(memory.parked),
            cells_used=memory.slots.used,
            cells_total=memory.slots.capacity,
            host_cache_bytes=memory.host.used_bytes,
            preemptions=scheduler.preemptions,
            evictions=memory.evictions,
            threads=self._threads.threads if self._threads is not None else 0,
        )

    def _note_admitted(self, plan: Plan, now: float) -> None:
        for span, sequence in zip(plan.spans, plan.sequences, strict=True):
            answer = self._requests[sequence.request.id]
            if answer.admitted_at is None:
                answer.admitted_at = answer.progress_at = now
                if sequence.tier is not None and span.start > 0:
                    self._counts.hits[sequence.tier] += 1

    def _report_progress(self, answer: Answer, done_tokens: int, now: float) -> None:
        if answer.awaits_first_token and now - answer.progress_at >= PROGRESS_EVERY_S:
            answer.progress_at = now
            self._emit(Progress(answer.request.id, done_tokens, len(answer.request.prompt)))

    def _measure(self, plan: Plan, step_s: float, run_s: float, sample_s: float) -> None:
        rows = sum(len(span.tokens) == 1 for span in plan.spans)
        prefill_tokens = sum(len(span.tokens) for span in plan.spans) - rows
        self._pace.note(rows, prefill_tokens, run_s)
        self._counts.note_step(step_s=step_s, backend_s=run_s + sample_s, rows=rows, prefill_tokens=prefill_tokens)
        if self._threads is not None and prefill_tokens == 0:
            self._threads.note(rows, run_s)


def _conversation_store(config: EngineConfig, fingerprint: str) -> ConversationStore | None:
    if config.disk_cache_dir is None:
        return None
    return ConversationStore(
        Path(config.disk_cache_dir),
        fingerprint=fingerprint,
        budget_bytes=config.disk_cache_bytes,
        most_unwritten_bytes=config.host_cache_bytes,
    )
