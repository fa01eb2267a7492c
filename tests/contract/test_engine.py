"""The engine's promises, kept on every backend."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgellm.engine.backend import Backend
from edgellm.engine.config import EngineConfig
from edgellm.engine.loop import Engine
from edgellm.engine.outcome import Ended, EngineEvent, Finished, Piece
from edgellm.engine.request import Request
from edgellm.types import Constraint, FinishReason, Sampling
from tests.contract.conftest import Kind

SYSTEM = (
    "You are a patient guide in a museum of old machines. Answer in one short sentence, stay with what you know, "
    "and when a visitor asks about something else, lead them back to the machines. "
)


class Visit:
    """An engine on a backend, and what it reported."""

    def __init__(self, backend: Backend, config: EngineConfig) -> None:
        self.backend = backend
        self.events: list[EngineEvent] = []
        self.engine = Engine(backend, config, self.events.append)
        self._next_id = 0

    def submit(self, text: str, *, most_tokens: int = 8, **fields: Any) -> int:
        sampling = fields.pop("sampling", Sampling(temperature=0.0, max_tokens=most_tokens))
        prompt = tuple(self.backend.tokenize(text, parse_special=False, add_bos=True))
        request_id, self._next_id = self._next_id, self._next_id + 1
        self.engine.submit(Request(id=request_id, prompt=prompt, sampling=sampling, **fields))
        return request_id

    def settle(self) -> None:
        while self.engine.step():
            pass

    def ask(self, text: str, **fields: Any) -> str:
        request_id = self.submit(text, **fields)
        self.settle()
        return self.text(request_id)

    def text(self, request_id: int, index: int = 0) -> str:
        pieces = [e.delta for e in self.events if isinstance(e, Piece) and e.request_id == request_id]
        return "".join(delta.text for delta in pieces if delta.index == index)

    def finished(self, request_id: int) -> Finished:
        (outcome,) = [e.outcome for e in self.events if isinstance(e, Ended) and e.request_id == request_id]
        assert isinstance(outcome, Finished), outcome
        return outcome


@pytest.fixture
def visit(backend: Backend, config: EngineConfig) -> Iterator[Visit]:
    """An engine that leaves no samplers behind."""
    visit = Visit(backend, config)
    yield visit
    visit.engine.close()


def alone(backend: Backend, config: EngineConfig, text: str, most_tokens: int = 8) -> str:
    """The answer of an engine without any cache; leaves the backend's memory empty."""
    return Visit(backend, replace(config, use_prefix_cache=False)).ask(text, most_tokens=most_tokens)


def test_a_cached_beginning_changes_nothing_but_the_work(visit: Visit, backend: Backend, config: EngineConfig) -> None:
    questions = [SYSTEM + "What is a loom?", SYSTEM + "Why steam?"]
    expected = [alone(backend, config, question) for question in questions]
    assert [visit.ask(question) for question in questions] == expected
    usage = visit.finished(1).usage
    assert usage.cached_tokens > 0.7 * usage.prompt_tokens


def test_a_conversation_goes_on_where_it_stopped(visit: Visit, backend: Backend, config: EngineConfig) -> None:
    first = SYSTEM + "What is a loom?"
    second = first + visit.ask(first) + " Who used it?"
    answer = visit.ask(second)
    assert visit.finished(1).usage.cached_tokens > 0.7 * visit.finished(1).usage.prompt_tokens
    visit.engine.close()
    for sequence in range(backend.info.max_sequences):
        backend.trim(sequence, 0)
    assert alone(backend, config, second) == answer


def test_answers_do_not_depend_on_company(visit: Visit, backend: Backend, config: EngineConfig) -> None:
    questions = ["The loom is", "Steam engines were", "A clock has"]
    expected = [alone(backend, config, question, 4) for question in questions]
    ids = [visit.submit(question, most_tokens=4) for question in questions]
    visit.settle()
    assert [visit.text(request_id) for request_id in ids] == expected


def test_a_preempted_answer_comes_back_whole(visit: Visit, backend: Backend, config: EngineConfig) -> None:
    prompts = ["Steam engines were", "The loom is a wonderful old machine that weaves cloth for"]
    expected = [alone(backend, config, prompt) for prompt in prompts]
    ids = [visit.submit(prompt) for prompt in prompts]
    scheduler = visit.engine._scheduler
    visit.engine.step()
    while not all(sequence.generated for sequence in scheduler.running):
        visit.engine.step()
    scheduler._preempt_youngest()
    visit.settle()
    assert [visit.text(request_id) for request_id in ids] == expected


def test_a_conversation_survives_on_disk(kind: Kind, backend: Backend, tmp_path: Path) -> None:
    config = kind.config(disk_cache_dir=str(tmp_path))
    before = Visit(backend, config)
    first = SYSTEM + "What is a loom?"
    second = first + before.ask(first, conversation="tour") + " Who used it?"
    before.engine.save_conversations()
    expected = before.ask(second)
    for sequence in range(backend.info.max_sequences):
        backend.trim(sequence, 0)
    after = Visit(backend, config)
    assert after.ask(second, conversation="tour") == expected
    assert after.engine.metrics().disk_hits == 1
    assert after.finished(0).usage.cached_tokens > 0.7 * after.finished(0).usage.prompt_tokens


def test_several_answers_to_one_prompt(visit: Visit) -> None:
    sampling = Sampling(temperature=1.5, seed=1, n=3, max_tokens=8)
    request_id = visit.submit(SYSTEM, sampling=sampling)
    visit.settle()
    answers = [visit.text(request_id, index) for index in range(3)]
    assert len(set(answers)) > 1
    again = visit.submit(SYSTEM, sampling=replace(sampling, seed=2, n=1))
    visit.settle()
    assert visit.text(again) == answers[1]


def test_texts_in_host_memory_come_back_for_their_own_tenant_only(backend: Backend, config: EngineConfig) -> None:
    questions = [SYSTEM + "What is a loom?", SYSTEM + "Why steam?"]
    expected = [alone(backend, config, question) for question in questions]
    visit = Visit(backend, replace(config, max_parked=0))
    assert visit.ask(questions[0], tenant="acme") == expected[0]
    one_text_bytes = visit.engine.metrics().host_cache_bytes
    assert one_text_bytes > 0
    assert visit.ask(questions[1], tenant="umbrella") == expected[1]
    assert visit.finished(1).usage.cached_tokens == 0
    assert visit.ask(questions[1], tenant="acme") == expected[1]
    assert visit.finished(2).usage.cached_tokens > 0.7 * visit.finished(2).usage.prompt_tokens
    assert visit.engine.metrics().host_hits == 1
    small = Visit(backend, replace(config, max_parked=0, host_cache_bytes=one_text_bytes * 3 // 2))
    for tenant in ("acme", "umbrella"):
        small.ask(questions[0], tenant=tenant)
        assert 0 < small.engine.metrics().host_cache_bytes <= one_text_bytes * 3 // 2


def test_a_replaced_adapter_shares_no_text_with_the_old_one(kind: Kind, backend: Backend, tmp_path: Path) -> None:
    visit = Visit(backend, kind.config(disk_cache_dir=str(tmp_path / "kept")))
    path = kind.write_adapter(tmp_path / "legal.gguf", 5)
    for layer in (5, 9):
        kind.write_adapter(tmp_path / "next.gguf", layer).replace(path)
        for _ in range(2):
            visit.ask(SYSTEM, adapter=str(path), conversation="tour")
        visit.engine.save_conversations()
    cached = [visit.finished(number).usage.cached_tokens for number in range(4)]
    assert [tokens > 0 for tokens in cached] == [False, True, False, True]


def test_a_constraint_is_kept_in_every_answer_and_stop_strings_end_each(visit: Visit) -> None:
    constraint = Constraint(kind="json_schema", text=json.dumps({"enum": ["loom", "clock"]}))
    sampling = Sampling(temperature=1.5, seed=1, n=3, max_tokens=30)
    whole = visit.submit("A machine as JSON: ", sampling=sampling, constraint=constraint)
    cut = visit.submit("A machine as JSON: ", sampling=replace(sampling, stop=("o",)), constraint=constraint)
    visit.settle()
    answers = [visit.text(whole, index) for index in range(3)]
    assert {json.loads(answer) for answer in answers} <= {"loom", "clock"}
    assert [visit.text(cut, index) for index in range(3)] == [answer.partition("o")[0] for answer in answers]
    assert {choice.finish_reason for choice in visit.finished(cut).choices} == {FinishReason.STOP}


def test_a_stop_string_ends_the_answer(visit: Visit) -> None:
    whole = visit.ask("The loom is", most_tokens=20)
    stop = whole[5:7]
    stopped = visit.ask("The loom is", sampling=Sampling(temperature=0.0, max_tokens=20, stop=(stop,)))
    assert stopped == whole[: whole.index(stop)]
    assert visit.finished(1).choices[0].finish_reason is FinishReason.STOP


def test_cancel_through_abort_ends_a_long_prompt(kind: Kind) -> None:
    config = kind.config(slow=True, context_tokens=2_048, solo_step_target_s=5.0)
    backend = kind.open(config)
    visit = Visit(backend, config)
    for _ in range(2):  # the second prompt is read in one large step
        request_id = visit.submit(f"{time.monotonic()} " + SYSTEM * 6)
        timer = threading.Timer(0.05, backend.abort)
        timer.start()
        visit.engine.step()
        timer.join()
        visit.engine.cancel(request_id)
        visit.settle()
        assert visit.finished(request_id).choices[0].finish_reason is FinishReason.CANCELLED
    short = visit.ask("The loom is", most_tokens=4)
    visit.engine.close()
    for sequence in range(backend.info.max_sequences):
        backend.trim(sequence, 0)
    assert alone(backend, config, "The loom is", 4) == short
    backend.close()


def test_a_deadline_keeps_the_text_so_far(visit: Visit, backend: Backend) -> None:
    letter = backend.tokenize("a", parse_special=False, add_bos=False)[-1]
    sampling = Sampling(temperature=0.0, logit_bias={letter: 100.0})
    request_id = visit.submit("aa", sampling=sampling, deadline_at=time.monotonic() + 0.05)
    visit.settle()
    assert visit.finished(request_id).choices[0].finish_reason in (FinishReason.DEADLINE, FinishReason.LENGTH)


def test_a_scored_text_has_the_same_scores_alone_and_in_company(visit: Visit, backend: Backend) -> None:
    def scores(request_id: int) -> list[float]:
        pieces = [e.delta for e in visit.events if isinstance(e, Piece) and e.request_id == request_id]
        return [trace.logprob for delta in pieces for trace in delta.tokens]

    first = visit.submit(SYSTEM, scores=0)
    visit.settle()
    visit.submit("Steam engines were", most_tokens=30)
    visit.engine.step()
    second = visit.submit(SYSTEM, scores=0)
    visit.settle()
    tokens = backend.tokenize(SYSTEM, parse_special=False, add_bos=True)
    assert len(scores(first)) == len(scores(second)) == len(tokens) - 1
    assert scores(second) == pytest.approx(scores(first), abs=0.5)  # batches of other sizes take other kernels
    assert all(score < 0 for score in scores(first))
