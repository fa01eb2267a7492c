"""The rules of the plan, one by one, without a backend."""

from __future__ import annotations

from typing import Any

import pytest

from edgellm.engine.config import EngineConfig
from edgellm.engine.fake import FakeBackend
from edgellm.engine.hostcache import HostState
from edgellm.engine.pace import Pace
from edgellm.engine.plan import Plan, Restore, Save, Share, Trim
from edgellm.engine.request import Request
from edgellm.engine.scheduler import Scheduler
from edgellm.engine.sequence import Sequence, State
from edgellm.types import Sampling


class Desk:
    """A scheduler that is fed by hand; every sampled token is 7."""

    def __init__(self, *, options: str = "", chunk: int = 1_000, **config: Any) -> None:
        self.config = EngineConfig(model_path=f"fake:{options}", **{"context_tokens": 100, **config})
        self.scheduler = Scheduler(FakeBackend(self.config).info, self.config)
        self.pace = Pace(batch_tokens=chunk, step_target_s=1.0, solo_step_target_s=1.0)
        self.pace.note(0, 1, 1e-9)
        self.next_id = 0

    def submit(self, prompt: str, **fields: Any) -> Sequence:
        self.next_id += 1
        request = Request(id=self.next_id, prompt=tuple(prompt.encode()), sampling=Sampling(), **fields)
        return self.scheduler.submit(request, 1_000, request.adapter)

    def step(self) -> Plan:
        """Plan, pretend to compute, sample."""
        plan = self.scheduler.plan(self.pace)
        self.scheduler.advance(plan)
        for span, sequence in zip(plan.spans, plan.sequences, strict=True):
            if span.wants_logits:
                self.scheduler.append(sequence, 7)
        return plan

    def decode(self, prompt: str, **fields: Any) -> Sequence:
        """A sequence that is past its prompt."""
        sequence = self.submit(prompt, **fields)
        while sequence.state is not State.DECODE:
            self.step()
        return sequence


def planned(plan: Plan) -> list[tuple[Sequence, int]]:
    return [(sequence, len(span.tokens)) for span, sequence in zip(plan.spans, plan.sequences, strict=True)]


def test_nothing_to_do_is_an_empty_plan() -> None:
    assert Desk().step() == Plan()


def test_decode_comes_first_and_prompts_share_what_the_budget_leaves() -> None:
    desk = Desk(chunk=12)
    first, second = desk.decode("one"), desk.submit("b" * 20)
    third = desk.submit("c" * 20)
    assert planned(desk.step()) == [(first, 1), (second, 11)]
    assert planned(desk.step()) == [(first, 1), (second, 9), (third, 2)]
    assert planned(desk.step()) == [(first, 1), (second, 1), (third, 10)]


def test_whole_tiles_of_a_prompt_take_turns_with_decoding() -> None:
    desk = Desk(options="tile_tokens=8", chunk=11)
    runner, reader = desk.decode("runs"), desk.submit("b" * 25)
    steps = [planned(desk.step()) for _ in range(5)]
    assert steps == [[(runner, 1)], [(reader, 10)], [(runner, 1)], [(reader, 10)], [(runner, 1), (reader, 5)]]


def test_only_the_span_that_ends_the_text_wants_logits() -> None:
    desk = Desk(chunk=6)
    desk.submit("ten tokens")
    first, second = desk.step().spans, desk.step().spans
    assert [span.wants_logits for span in (*first, *second)] == [False, True]
    assert (second[0].start, bytes(second[0].tokens)) == (6, b"kens")


def test_a_full_match_computes_its_last_token_again() -> None:
    desk = Desk()
    first = desk.decode("the same text")
    desk.submit("the same text")
    plan = desk.step()
    assert plan.memory == (Share(first.slot or 0, 1, 12),)
    assert bytes(plan.spans[1].tokens) == b"t"


def test_a_prompt_waits_for_the_beginning_that_another_one_computes() -> None:
    desk = Desk(chunk=30)
    common = "forty tokens that both of them begin with"
    first, second = desk.submit(common + "A"), desk.submit(common + "B")
    assert planned(desk.step()) == [(first, 30)]
    assert second.state is State.WAITING
    assert planned(desk.step()) == [(first, 12)]
    assert planned(desk.step()) == [(first, 1), (second, 1)]


def test_a_prompt_does_not_wait_for_a_beginning_that_was_cancelled() -> None:
    desk = Desk(chunk=30)
    common = "forty tokens that both of them begin with"
    first, second = desk.submit(common + "A"), desk.submit(common + "B")
    desk.step()
    desk.scheduler.end(first)
    assert planned(desk.step()) == [(second, 12)]


def test_the_next_turn_continues_the_parked_slot() -> None:
    desk = Desk()
    first = desk.decode("a question")
    slot = first.slot
    desk.scheduler.end(first)
    second = desk.submit("a question and more")
    assert planned(desk.step()) == [(second, 9)]
    assert second.slot == slot
    assert not desk.scheduler.memory.parked


def test_a_branch_shares_and_leaves_the_parked_text_alone() -> None:
    desk = Desk()
    first = desk.decode("a question, long enough")
    for _ in range(3):
        desk.step()
    desk.scheduler.end(first)
    desk.submit("a question, long enough")
    assert desk.step().memory == (Share(0, 1, 22),)
    assert list(desk.scheduler.memory.parked) == [0]


def test_without_a_free_slot_the_parked_one_is_cut_and_continued() -> None:
    desk = Desk(max_running=2, max_parked=0)
    keeper = desk.decode("zzz")
    first = desk.decode("a shared text, one end")
    desk.scheduler.memory._max_parked = 1  # two slots, one of them parked
    desk.scheduler.end(first)
    second = desk.submit("a shared text, another")
    plan = desk.step()
    assert plan.memory == (Trim(1, 15),)
    assert (second.slot, keeper.slot) == (1, 0)
    assert bytes(plan.spans[1].tokens) == b"another"


def test_the_youngest_is_preempted_and_comes_back_first() -> None:
    desk = Desk(context_tokens=100)
    old, young = desk.decode("o" * 30), desk.decode("y" * 30)
    later = desk.submit("n" * 30)
    while young.state is not State.WAITING:
        plan = desk.step()
    assert plan.memory == (
        Save(1, young.key, young.tokens()[:-1], None),
        Trim(1, 0),
    )
    assert [s.state for s in (old, later)] == [State.DECODE, State.WAITING]
    assert desk.scheduler.preemptions == 1
    desk.scheduler.end(old)
    assert young in desk.step().sequences
    assert desk.scheduler.waiting.candidates(())[0] is later


def test_parked_texts_go_before_anyone_is_preempted() -> None:
    desk = Desk(context_tokens=96, host_cache_bytes=0)
    runner = desk.decode("runs")
    for text in ("first" * 6, "second" * 4):
        desk.scheduler.end(desk.decode(text))
    reader = desk.submit("a" * 40)
    plan = desk.step()
    assert plan.memory == (Trim(1, 0),)
    assert planned(plan) == [(runner, 1), (reader, 40)]
    assert desk.scheduler.preemptions == 0


def test_a_parked_stranger_makes_way_for_a_text_that_runs_alone() -> None:
    desk = Desk()
    stranger, kin = "nothing in common at all", "a common beginning and an end"
    for sequence in [desk.decode(text) for text in (stranger, kin)]:
        desk.scheduler.end(sequence)
    runner = desk.submit("a common beginning, another end")
    plan = desk.step()
    assert plan.memory == (
        Save(0, runner.key, (*stranger.encode(), 7), None),
        Trim(0, 0),
        Share(1, 0, len("a common beginning")),
    )
    assert planned(plan) == [(runner, len(", another end"))]


def test_parked_strangers_stay_while_others_run() -> None:
    desk = Desk()
    parked, _ = desk.decode("parked and unknown to all"), desk.decode("runs on")
    desk.scheduler.end(parked)
    desk.submit("comes in addition")
    assert desk.step().memory == ()


def test_a_parked_stranger_that_would_be_lost_stays() -> None:
    desk = Desk(host_cache_bytes=0)
    desk.scheduler.end(desk.decode("nothing in common at all"))
    desk.submit("runs alone")
    assert desk.step().memory == ()


def test_an_evicted_text_goes_to_the_host_cache_once() -> None:
    desk = Desk(max_parked=1)
    texts = ["first text, long enough", "other text, long enough"]
    for sequence in [desk.decode(text) for text in texts]:
        desk.scheduler.end(sequence)
    plan = desk.step()
    assert plan.memory == (
        Save(0, desk.submit("x").key, (*texts[0].encode(), 7), None),
        Trim(0, 0),
    )


def test_a_plan_that_restores_ends_there() -> None:
    desk = Desk(max_parked=0)
    text = "a text that is worth restoring"
    desk.scheduler.end(desk.decode(text))
    (save, _) = desk.step().memory
    assert isinstance(save, Save)
    state = HostState(save.key, save.tokens, b"state")
    desk.scheduler.memory.host.put(state)
    desk.submit(text + " and more")
    plan = desk.step()
    assert (plan.memory, plan.spans) == ((Restore(0, state, len(text)),), ())
    assert bytes(desk.step().spans[0].tokens) == b" and more"


def test_a_lost_state_is_computed_again() -> None:
    desk = Desk()
    text = "a text that is worth restoring"
    sequence = desk.submit(text)
    state = HostState(sequence.key, tuple(text.encode()), b"state")
    desk.scheduler.memory.host.put(state)
    (restore,) = desk.step().memory
    assert isinstance(restore, Restore)
    desk.scheduler.memory.note_lost(restore)
    assert planned(desk.step()) == [(sequence, len(text))]
    assert len(desk.scheduler.memory.host) == 0


def test_adapters_take_turns_a_step_each() -> None:
    desk = Desk()
    plain, legal = desk.submit("one"), desk.submit("two", adapter="legal")
    turns = [desk.step() for _ in range(6)]
    assert [plan.adapter for plan in turns] == [None, "legal"] * 3
    assert all(len({s.adapter for s in plan.sequences}) == 1 for plan in turns)
    assert len(plain.generated) == len(legal.generated) == 3


def test_adapters_that_no_longer_run_are_forgotten() -> None:
    desk = Desk()
    for number in range(20):
        desk.scheduler.end(desk.decode("text", adapter=f"adapter {number}"))
    assert len(desk.scheduler._turns) == 1


@pytest.mark.parametrize("fields", [{"tenant": "acme"}, {"adapter": "legal"}])
def test_tenants_and_adapters_share_nothing(fields: dict[str, str]) -> None:
    desk = Desk()
    desk.scheduler.end(desk.decode("the very same text"))
    other = desk.submit("the very same text", **fields)
    assert planned(desk.step()) == [(other, 18)]


def test_admission_leaves_room_for_those_who_run() -> None:
    desk = Desk(context_tokens=100)
    desk.decode("o" * 30)
    desk.submit("n" * 60)
    assert desk.scheduler.waiting.new == 1
    assert len(desk.step().spans) == 1


def test_a_learned_capacity_ends_what_cannot_fit() -> None:
    desk = Desk()
    sequence = desk.decode("o" * 30)
    refused = desk.scheduler.plan(desk.pace)
    desk.scheduler.learn_capacity(refused)
    assert desk.step().stuck is sequence
    desk.scheduler.end(sequence)
    prompt = desk.submit("p" * 40)
    assert desk.step().stuck is prompt


def test_forks_share_the_whole_prompt() -> None:
    desk = Desk()
    first = desk.decode("one prompt, two answers")
    fork = desk.scheduler.fork(first, 1, 9)
    plan = desk.step()
    assert plan.memory == (Share(0, 1, 23),)
    assert planned(plan) == [(first, 1), (fork, 1)]
    assert plan.spans[1].tokens == (9,)


def test_the_line_is_full_when_its_limit_and_all_places_are_taken() -> None:
    desk = Desk(max_running=1, queue_limit=2)
    for _ in range(3):
        assert not desk.scheduler.is_full
        desk.submit("x")
    assert desk.scheduler.is_full
    desk.step()
    assert desk.scheduler.is_full
    desk.scheduler.end(desk.scheduler.running[0])
    assert not desk.scheduler.is_full


def test_a_memory_that_cannot_be_cut_continues_whole_texts_only() -> None:
    desk = Desk(options="can_share_prefix=0")
    first = desk.decode("a question")
    desk.scheduler.end(first)
    branch = desk.submit("a quest")
    assert planned(desk.step()) == [(branch, 7)]
    more = desk.submit("a question and more")
    assert (more, 9) in planned(desk.step())


def test_a_memory_that_cannot_be_cut_saves_a_text_although_a_longer_one_is_saved() -> None:
    desk = Desk(options="can_share_prefix=0", max_parked=0)
    text = "a text that is worth saving"
    sequence = desk.decode(text)
    longer = HostState(sequence.key, tuple(f"{text} and more".encode()), b"state")
    desk.scheduler.memory.host.put(longer)
    desk.scheduler.end(sequence)
    (save, _) = desk.step().memory
    assert isinstance(save, Save)
    assert bytes(save.tokens) == text.encode()
