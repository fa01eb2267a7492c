"""The next step, purely: who computes which tokens, and what moves in memory before.

No clock, thread, tokenizer or model library: the same events give the same plans.

Rules: decode first; prompts are read within a time budget, whole tiles of them in turn with decoding; preempted
sequences come back first, then tenants in turn, each in order of arrival; adapters take turns, a step each; when
cells run out, parked texts go first, then the youngest sequence waits. The oldest sequence is never preempted, so
everybody's turn comes.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable

from edgellm.engine.backend import BackendInfo, Span
from edgellm.engine.beginnings import Source
from edgellm.engine.config import EngineConfig
from edgellm.engine.memory import Admission, Memory
from edgellm.engine.pace import Pace
from edgellm.engine.plan import CacheKey, Plan
from edgellm.engine.request import Request
from edgellm.engine.sequence import Sequence, State
from edgellm.engine.waiting import WaitingLine


class Scheduler:
    """Composes the waiting line, the running set and the memory into plans."""

    def __init__(self, info: BackendInfo, config: EngineConfig) -> None:
        self.memory = Memory(info, config)
        self.waiting = WaitingLine()
        self.running: list[Sequence] = []  # oldest first
        self.preemptions = 0
        self._max_running = min(config.max_running, config.batch_tokens, info.max_sequences)
        self.most_waiting = config.queue_limit
        self._shares_prefixes = config.use_prefix_cache
        self._tile_tokens = info.tile_tokens
        self._most_outputs = info.max_sequences
        self._is_tile_due = False
        """Whether the last step left a chunk of whole tiles for this one."""
        self._arrivals = 0
        self._turns: dict[str | None, int] = {}
        """When each adapter of the running sequences last had its turn."""
        self._turn = 0

    @property
    def is_full(self) -> bool:
        """Whether one more request would wait longer than the line may be."""
        places = max(0, self._max_running - len(self.running))
        return self.waiting.new >= self.most_waiting + places

    def submit(self, request: Request, limit_tokens: int, adapter: str | None = None) -> Sequence:
        """A new request joins the line; its further answers are forked once the prompt is read.

        adapter: what to compute it with, as `Backend.open_adapter` calls it.
        """
        sequence = Sequence(
            request=request,
            order=(self._arrivals, 0),
            limit_tokens=limit_tokens,
            key=CacheKey(request.tenant, adapter, None if self._shares_prefixes else request.id),
        )
        self._arrivals += 1
        self.waiting.add(sequence)
        return sequence

    def fork(self, first: Sequence, index: int, token: int) -> Sequence:
        """Answer number `index` begins with `token` after the prompt that `first` has in memory."""
        sequence = Sequence(
            request=first.request,
            order=(first.order[0], index),
            limit_tokens=first.limit_tokens,
            key=first.key,
            generated=[token],
            is_forgotten=first.is_forgotten,
        )
        self.waiting.add_resuming(sequence)
        return sequence

    def end(self, sequence: Sequence) -> None:
        """The sequence is finished, cancelled or late: its text is parked, its place is free."""
        if sequence.state is State.WAITING:
            self.waiting.remove(sequence)
        elif sequence.state is not State.ENDED:
            self.running.remove(sequence)
            self.memory.park(sequence)
        sequence.state = State.ENDED

    def forget_conversation(self, conversation: str) -> None:
        """Keep nothing of the conversation: what is cached goes now, what runs when it ends."""
        for sequence in [*self.running, *self.waiting.candidates(())]:
            if sequence.request.conversation == conversation:
                sequence.is_forgotten = True
        self.memory.forget_conversation(conversation)

    def append(self, sequence: Sequence, token: int) -> None:
        """The sequence, whose tokens are all in memory, gained one."""
        sequence.generated.append(token)
        sequence.state = State.DECODE

    def plan(self, pace: Pace) -> Plan:
        """The next step; nothing in it when there is nothing to do."""
        if self.waiting and not self._admit():
            return Plan(memory=self.memory.take_operations())
        while self.running:
            adapter = self._adapter_in_turn()
            steps = self._steps(adapter, pace)
            if steps:
                return self._plan(steps, adapter)
            if len(self.running) == 1:
                return Plan(memory=self.memory.take_operations(), stuck=self.running[0])
            self._preempt_youngest()
        stuck = next(iter(self.waiting.candidates(())), None)
        return Plan(memory=self.memory.take_operations(), stuck=stuck)

    def advance(self, plan: Plan) -> None:
        """The step was computed: its tokens are in memory."""
        for span, sequence in zip(plan.spans, plan.sequences, strict=True):
            self.memory.slots.extend(span.sequence, len(span.tokens))
            sequence.computed_tokens += len(span.tokens)

    def learn_capacity(self, plan: Plan) -> None:
        """The backend refused a step that the books allow: from now on count an eighth less than it wanted."""
        wanted = sum(len(span.tokens) for span in plan.spans)
        slots = self.memory.slots
        slots.capacity = min(slots.capacity, slots.used + wanted - max(1, wanted // 8))

    def missing(self, sequence: Sequence) -> int:
        """Tokens of a running sequence that are not in memory yet."""
        assert sequence.slot is not None
        return sequence.length - self.memory.slots.held(sequence.slot)

    def _admit(self) -> bool:
        """Give free places to those whose turn it is. Returns False when a state must be read back first."""
        if len(self.running) >= self._max_running:
            return True
        for sequence in self.waiting.candidates({s.adapter for s in self.running}):
            admission, source = self.memory.admit(sequence, self.running)
            if admission is Admission.FULL:
                return True
            if admission is Admission.LATER:
                continue
            self._run(sequence, source)
            if admission is Admission.RESTORING:
                return False
            if len(self.running) >= self._max_running:
                return True
        return True

    def _run(self, sequence: Sequence, source: Source) -> None:
        self.waiting.admit(sequence)
        insort(self.running, sequence, key=lambda s: s.order)
        sequence.state = State.PREFILL
        sequence.tier = source.tier

    def _adapter_in_turn(self) -> str | None:
        """The adapter that has waited longest among those of the running sequences."""
        self._turns = {s.adapter: self._turns.get(s.adapter, 0) for s in self.running}
        return min(self._turns, key=self._turns.__getitem__)

    def _steps(self, adapter: str | None, pace: Pace) -> list[tuple[Sequence, int]]:
        """Sequences of the adapter with the number of tokens each computes; empty when cells are short."""
        group = [(s, self.missing(s)) for s in self.running if s.adapter == adapter]
        steps = [(s, 1) for s, missing in group if missing == 1]
        if not self.memory.make_room(len(steps)):
            return []
        reading = self._readable(group)
        if not reading:
            return steps
        is_anyone_decoding = any(s.state is State.DECODE for s in self.running)
        budget = pace.prefill_tokens(len(steps), is_anyone_decoding=is_anyone_decoding)
        budget = min(budget, sum(missing for _, missing in reading))
        self.memory.make_room(len(steps) + budget)
        budget = min(budget, self.memory.slots.free_cells - len(steps))
        if steps and self._is_apart(budget):
            self._is_tile_due = not self._is_tile_due
            return _chunks(reading, budget) if not self._is_tile_due else steps
        return steps + _chunks(reading, budget)

    def _readable(self, group: list[tuple[Sequence, int]]) -> list[tuple[Sequence, int]]:
        """Those that miss several tokens; of the scored ones the oldest, and no more than a step gives logits for."""
        room = self._most_outputs - len(group) + 1
        reading = []
        for sequence, missing in group:
            if missing > 1 and sequence.request.scores is None:
                reading.append((sequence, missing))
            elif missing > 1 and room:
                reading.append((sequence, min(missing, room)))
                room = 0
        return reading

    def _is_apart(self, budget: int) -> bool:
        """Whether so many prompt tokens are computed apart from decode rows.

        A tile leaves out the cells that all of its tokens may not see; a single row of another text in it, and
        it leaves out hardly any. Without whole tiles, rows are cheapest beside a chunk.
        """
        return 1 < self._tile_tokens <= budget

    def _plan(self, steps: list[tuple[Sequence, int]], adapter: str | None) -> Plan:
        self._turn += 1
        self._turns[adapter] = self._turn
        return Plan(
            memory=self.memory.take_operations(),
            spans=tuple(self._span(sequence, count) for sequence, count in steps),
            sequences=tuple(sequence for sequence, _ in steps),
            adapter=adapter,
        )

    def _span(self, sequence: Sequence, count: int) -> Span:
        assert sequence.slot is not None
        start = self.memory.slots.held(sequence.slot)
        end = start + count
        tokens, is_scored = sequence.tokens_between(start, end), sequence.request.scores is not None
        return Span(sequence.slot, start, tokens, end == sequence.length and not is_scored, is_scored)

    def _preempt_youngest(self) -> None:
        youngest = self.running.pop()
        self.memory.preempt(youngest)
        youngest.state = State.WAITING
        self.waiting.add_resuming(youngest)
        self.preemptions += 1


def _chunks(reading: Iterable[tuple[Sequence, int]], budget: int) -> list[tuple[Sequence, int]]:
    """The next tokens of those that miss some, oldest first, up to the budget."""
    chunks = []
    for sequence, missing in reading:
        if budget == 0:
            break
        chunks.append((sequence, min(missing, budget)))
        budget -= chunks[-1][1]
    return chunks
