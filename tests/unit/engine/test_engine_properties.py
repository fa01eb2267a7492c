"""Whatever arrives in whatever order: right text, one end each, no leaks, no starvation, no mixing."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edgellm.engine.outcome import Failed, Finished
from edgellm.types import FinishReason, Sampling
from tests.unit.engine.harness import Bench, greedy_text, scores_of

PROMPTS = st.builds(
    lambda base, length, tail: (base * 12)[:length] + tail,
    st.sampled_from(["a shared beginning. ", "a shared beginning. ", "a shared end. "]),
    st.sampled_from([1, 17, 40, 41, 60]),
    st.text("xyz", max_size=6),
)
ADAPTERS = st.sampled_from([None, None, None, "legal", "poet"])
TENANTS = st.sampled_from(["", "", "acme", "umbrella"])
CONVERSATIONS = st.sampled_from(["chat", "talk"])


class EngineMachine(RuleBasedStateMachine):
    """Random traffic on a tiny cache; every finished greedy answer is compared with a cache-free one."""

    @initialize(
        context_tokens=st.integers(48, 160),
        max_running=st.integers(1, 4),
        max_parked=st.integers(0, 4),
        batch_tokens=st.integers(4, 64),
        host_cache_bytes=st.sampled_from([0, 300, 100_000]),
        use_prefix_cache=st.sampled_from([True, True, True, False]),
        options=st.sampled_from(["", "hidden_cells=9", "can_share_prefix=0", "tile_tokens=4"]),
    )
    def open(self, options: str, **config: int) -> None:
        self.bench = Bench(model_path=f"fake:{options}", queue_limit=6, **config)
        self.tokens: dict[int, tuple[tuple[int, ...], str | None, int, int]] = {}
        self.work = 0
        self.scored: set[int] = set()
        self.forgotten: set[str | None] = set()

    @rule(
        prompt=PROMPTS,
        adapter=ADAPTERS,
        tenant=TENANTS,
        conversation=st.none() | CONVERSATIONS,
        most_tokens=st.sampled_from([1, 5, 20, 60]),
        n=st.sampled_from([1, 1, 1, 3]),
        patience_s=st.sampled_from([None, None, None, 0.0, 0.05, 0.2]),
    )
    def submit(self, prompt: str, most_tokens: int, n: int, patience_s: float | None, **whose: str | None) -> None:
        sampling = Sampling(temperature=0.0, max_tokens=most_tokens, n=n)
        deadline_at = None if patience_s is None else self.bench.clock.now + patience_s
        request_id = self.bench.submit(prompt, sampling, deadline_at=deadline_at, **whose)
        self.tokens[request_id] = (tuple(prompt.encode()), whose["adapter"], most_tokens, n)
        self.forgotten.discard(whose["conversation"])
        self.work += n * (len(prompt) + most_tokens)

    @rule(prompt=PROMPTS, adapter=ADAPTERS, tenant=TENANTS)
    def score(self, prompt: str, adapter: str | None, tenant: str) -> None:
        request_id = self.bench.submit(prompt, adapter=adapter, tenant=tenant, scores=1)
        self.tokens[request_id] = (tuple(prompt.encode()), adapter, 0, 1)
        self.scored.add(request_id)
        self.work += 20 * len(prompt)  # a preempted one is read again

    @rule(steps=st.sampled_from([1, 3, 10, 40]))
    def step(self, steps: int) -> None:
        for _ in range(steps):
            self.bench.engine.step()

    @rule(back=st.integers(0, 5))
    @precondition(lambda self: self.tokens)
    def cancel(self, back: int) -> None:
        """One of the newest requests; often it has ended."""
        self.bench.engine.cancel(max(0, len(self.tokens) - 1 - back))

    @rule(conversation=CONVERSATIONS)
    def forget(self, conversation: str) -> None:
        self.bench.engine.forget_conversation(conversation)
        self.forgotten.add(conversation)

    @rule()
    def abort(self) -> None:
        self.bench.backend.aborts_next = True

    @rule(seconds=st.floats(0.0, 0.1))
    def wait(self, seconds: float) -> None:
        self.bench.clock.now += seconds

    @invariant()
    def different_keys_share_no_cells(self) -> None:
        memory = self.bench.engine._scheduler.memory
        holders = [(s.slot, s.key) for s in self.bench.engine._scheduler.running if s.slot is not None]
        holders += [(slot, parked.key) for slot, parked in memory.parked.items()]
        for (slot, key), (other, other_key) in combinations(holders, 2):
            if key != other_key:
                alone = memory.slots.held(slot) + memory.slots.held(other)
                both = [(slot, memory.slots.held(slot)), (other, memory.slots.held(other))]
                assert memory.slots.cells_of(both) == alone

    @invariant()
    def nothing_is_kept_of_what_was_forgotten(self) -> None:
        memory = self.bench.engine._scheduler.memory
        kept = {*(parked.conversation for parked in memory.parked.values())}
        kept |= {state.conversation for state in memory.host._states}
        assert not kept & self.forgotten

    @invariant()
    def within_the_limits(self) -> None:
        metrics = self.bench.engine.metrics()
        assert metrics.running <= self.bench.config.max_running
        assert metrics.parked <= self.bench.config.max_parked
        assert metrics.host_cache_bytes <= self.bench.config.host_cache_bytes
        assert self.bench.backend.cells_used <= self.bench.config.context_tokens

    def teardown(self) -> None:
        if not hasattr(self, "bench"):
            return
        bench = self.bench
        bench.settle(most_steps=200 + 40 * self.work)
        assert sorted(bench.outcomes) == sorted(self.tokens)
        for request_id in self.tokens:
            self._check_outcome(request_id)
        self._check_books()
        bench.backend.close()  # refuses open samplers

    def _check_outcome(self, request_id: int) -> None:
        prompt, adapter, most_tokens, n = self.tokens[request_id]
        outcome = self.bench.outcomes[request_id]
        if isinstance(outcome, Failed):
            assert outcome.error in ("QueueFull", "ContextOverflow")
            return
        if request_id in self.scored:
            self._check_scores(request_id, outcome)
            return
        expected = greedy_text(prompt, adapter, min(most_tokens, self.bench.config.context_tokens - len(prompt)))
        assert [choice.index for choice in outcome.choices] == list(range(n))
        for choice in outcome.choices:
            text = self.bench.text(request_id, choice.index)
            is_cut = choice.finish_reason in (FinishReason.CANCELLED, FinishReason.DEADLINE)
            may_be_cut = is_cut or (self._hides_cells and choice.finish_reason is FinishReason.LENGTH)
            assert expected.startswith(text) if may_be_cut else text == expected

    def _check_scores(self, request_id: int, outcome: Finished) -> None:
        prompt, adapter, _, _ = self.tokens[request_id]
        found = [trace for piece in self.bench.pieces(request_id) for trace in piece.delta.tokens]
        assert found == scores_of(prompt, adapter)[: len(found)]
        (choice,) = outcome.choices
        assert choice.finish_reason is FinishReason.CANCELLED or len(found) == len(prompt) - 1

    @property
    def _hides_cells(self) -> bool:
        return "hidden" in self.bench.config.model_path

    def _check_books(self) -> None:
        """At rest only parked texts are in memory, and books and backend agree."""
        bench, memory = self.bench, self.bench.engine._scheduler.memory
        slots = bench.backend.info.max_sequences
        assert memory.slots.used == bench.backend.cells_used
        assert memory.slots.free_slots == slots - len(memory.parked)
        assert memory.slots.cells_of((slot, memory.slots.held(slot)) for slot in memory.parked) == memory.slots.used
        for slot in range(slots):
            assert memory.slots.held(slot) == bench.backend.held(slot)
        for slot, parked in memory.parked.items():
            assert memory.slots.held(slot) == len(parked.tokens)


TestEngineMachine = EngineMachine.TestCase
TestEngineMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

TRAFFIC = st.lists(st.tuples(PROMPTS, ADAPTERS, TENANTS, st.integers(0, 9)), min_size=1, max_size=10)


def drive(traffic: list[tuple[str, str | None, str, int]]) -> Bench:
    bench = Bench(context_tokens=96, max_running=3, max_parked=2)
    for prompt, adapter, tenant, steps in traffic:
        bench.submit(prompt, Sampling(temperature=0.8, seed=3, max_tokens=12), adapter=adapter, tenant=tenant)
        for _ in range(steps):
            bench.engine.step()
    bench.settle()
    return bench


@given(TRAFFIC)
@settings(max_examples=25, deadline=None)
def test_the_same_events_give_the_same_plans(traffic: list[tuple[str, str | None, str, int]]) -> None:
    first, second = drive(traffic), drive(traffic)
    assert first.backend.steps == second.backend.steps
    assert first.backend.calls == second.backend.calls
    assert first.events == second.events


@given(TRAFFIC)
@settings(max_examples=25, deadline=None)
def test_every_prompt_token_is_either_cached_or_computed(traffic: list[tuple[str, str | None, str, int]]) -> None:
    bench = drive(traffic)
    for outcome in bench.outcomes.values():
        if isinstance(outcome, Finished):
            assert 0 <= outcome.usage.cached_tokens < outcome.usage.prompt_tokens


@pytest.mark.slow
@given(st.data())
@settings(max_examples=1, deadline=None)
def test_two_hundred_requests_on_a_small_queue(data: st.DataObject) -> None:
    bench = Bench(context_tokens=128, max_running=4, max_parked=3, queue_limit=16)
    for _ in range(200):
        bench.submit(data.draw(PROMPTS), Sampling(temperature=0.0, max_tokens=8))
        bench.engine.step()
    bench.settle()
    assert len(bench.outcomes) == 200
