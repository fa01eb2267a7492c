"""The engine on the fake model: text, reasoning, several answers, caches, fairness, measurements."""

from __future__ import annotations

import pytest

from edgellm.engine.backend import Sampled
from edgellm.engine.fake_model import IM_END, IM_START
from edgellm.engine.outcome import Ended
from edgellm.types import Constraint, FinishReason, Sampling
from tests.unit.engine.harness import LONG, Bench, greedy_text


def test_an_answer_is_what_the_model_writes() -> None:
    bench = Bench()
    assert bench.run(LONG) == greedy_text(tuple(LONG.encode()), None, 170)
    assert bench.reason(0) is FinishReason.STOP


def test_multi_byte_characters_arrive_whole() -> None:
    bench = Bench(max_parked=0)
    texts = [bench.run(f"prompt {i}", Sampling(temperature=1.5, seed=i)) for i in range(12)]
    pieces = [piece.delta.text for i in range(12) for piece in bench.pieces(i)]
    assert any(len(character.encode()) > 1 for text in texts for character in text)
    assert "\ufffd" not in "".join(pieces)


def test_length_is_a_limit() -> None:
    bench = Bench()
    bench.run("x", Sampling(temperature=0.0, max_tokens=3, logit_bias={97: 100.0}))
    assert (bench.text(0), bench.reason(0)) == ("aaa", FinishReason.LENGTH)
    assert bench.finished(0).usage.completion_tokens == 3


def test_the_context_is_a_limit() -> None:
    bench = Bench(context_tokens=64)
    bench.run("x" * 60, Sampling(temperature=0.0, logit_bias={97: 100.0}))
    assert (bench.text(0), bench.reason(0)) == ("aaaa", FinishReason.LENGTH)


def test_stop_strings_end_an_answer_and_are_not_part_of_it() -> None:
    bench = Bench()
    bench.run("x", Sampling(temperature=0.0, logit_bias={97: 100.0}, presence_penalty=0.0, stop=("aaaa", "zz")))
    assert (bench.text(0), bench.reason(0), bench.finished(0).choices[0].stop) == ("", FinishReason.STOP, "aaaa")


def test_stop_strings_of_the_format_count_besides_those_of_the_caller() -> None:
    bench = Bench()
    many = tuple(f"never {number}" for number in range(16))
    bench.run("x", Sampling(temperature=0.0, logit_bias={97: 100.0}, stop=many), stop=("aaa",))
    assert (bench.text(0), bench.reason(0), bench.finished(0).choices[0].stop) == ("", FinishReason.STOP, None)


def test_reasoning_is_separated() -> None:
    bench = Bench()
    schema = Constraint(kind="json_schema", text='{"enum": ["<think>hm</think>yes"]}')
    bench.run("x", constraint=schema, reasoning_tags=(('"<think>', "</think>"),))
    assert (bench.reasoning(0), bench.text(0)) == ("hm", 'yes"')


def test_a_thinking_tag_that_is_a_control_token_ends_the_thinking(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    written = iter([97, IM_START, 98, IM_START, 99, IM_END])
    monkeypatch.setattr(bench.backend, "sample", lambda *_: Sampled(next(written)))
    bench.run("x", reasoning_open=True, reasoning_tags=(("[A]", "[B]"),), reasoning_tokens={IM_START: "[B]"})
    assert (bench.reasoning(0), bench.text(0)) == ("a", "bc")


def test_same_seed_same_text_and_choices_differ_by_their_seeds() -> None:
    sampling = Sampling(temperature=1.5, seed=20, n=3, max_tokens=30)
    bench = Bench(context_tokens=512)
    bench.run(LONG, sampling)
    answers = [bench.text(0, index) for index in range(3)]
    assert len(set(answers)) == 3
    bench.run(LONG, Sampling(temperature=1.5, seed=21, max_tokens=30))
    assert bench.text(1) == answers[1]


def test_n_answers_read_the_prompt_once() -> None:
    bench = Bench(context_tokens=512)
    bench.run(LONG, Sampling(temperature=1.0, seed=1, n=4, max_tokens=10))
    completion = bench.finished(0).usage.completion_tokens
    assert bench.backend.computed_tokens <= len(LONG) + completion
    assert bench.finished(0).usage.prompt_tokens == len(LONG)


def test_more_answers_than_places() -> None:
    bench = Bench(context_tokens=512, max_running=2, max_parked=1)
    bench.run(LONG, Sampling(temperature=0.0, n=7, max_tokens=10))
    assert {bench.text(0, index) for index in range(7)} == {greedy_text(tuple(LONG.encode()), None, 10)}


def test_log_probabilities_come_with_the_pieces() -> None:
    bench = Bench()
    bench.run("x", Sampling(temperature=0.0, logprobs=2, max_tokens=8))
    traces = [trace for piece in bench.pieces(0) for trace in piece.delta.tokens]
    ends = bench.reason(0) is FinishReason.STOP
    assert len(traces) == bench.finished(0).usage.completion_tokens - ends
    assert all(len(trace.alternatives) == 2 for trace in traces)


def test_cached_tokens_are_counted() -> None:
    bench = Bench()
    bench.run(LONG)
    bench.run(LONG)
    assert bench.finished(0).usage.cached_tokens == 0
    assert bench.finished(1).usage.cached_tokens == len(LONG) - 1
    assert bench.engine.metrics().live_hits == 1


def test_without_the_prefix_cache_everything_is_computed() -> None:
    bench = Bench(use_prefix_cache=False)
    bench.run(LONG)
    bench.run(LONG)
    assert bench.finished(1).usage.cached_tokens == 0
    assert bench.backend.cells_used == 0


def test_sixteen_requests_with_one_beginning_compute_it_once() -> None:
    bench = Bench(context_tokens=2_000, max_running=8)
    common = LONG * 8
    for i in range(16):
        bench.submit(f"{common}{i:02}", Sampling(temperature=0.0, max_tokens=4))
    bench.settle()
    metrics = bench.engine.metrics()
    assert metrics.prompt_tokens == 16 * (len(common) + 2)
    assert metrics.prompt_tokens - metrics.cached_tokens <= len(common) + 16 * 3


def test_an_evicted_beginning_comes_back_from_host_memory() -> None:
    bench = Bench(context_tokens=200, max_parked=1)
    text = bench.run(LONG)
    bench.run("something else entirely " * 4)
    assert bench.run(LONG) == text
    assert bench.finished(2).usage.cached_tokens == len(LONG) - 1
    assert bench.engine.metrics().host_hits == 1


def test_progress_is_reported_now_and_then() -> None:
    bench = Bench(context_tokens=2_000, batch_tokens=16)
    bench.run("p" * 1_000, Sampling(temperature=0.0, max_tokens=1))
    done = [event.done_tokens for event in bench.progress(0)]
    assert 5 <= len(done) <= 10  # a second of the test's clock
    assert done == sorted(done)
    assert {event.total_tokens for event in bench.progress(0)} == {1_000}


def test_a_long_prompt_does_not_stall_those_who_decode() -> None:
    bench = Bench(context_tokens=4_000, batch_tokens=512, step_target_s=0.05)
    talker = bench.submit("x", Sampling(temperature=0.0, logit_bias={97: 100.0}, max_tokens=200))
    for _ in range(5):
        bench.engine.step()
    bench.submit("p" * 3_000, Sampling(temperature=0.0, max_tokens=1))
    gaps = []
    while talker not in bench.outcomes:
        before = bench.clock.now
        bench.engine.step()
        gaps.append(bench.clock.now - before)
    assert max(gaps) <= 0.07  # a token takes a millisecond
    assert len(gaps) > 50


def test_timings_follow_the_clock() -> None:
    bench = Bench()
    bench.clock.now = 100.0
    bench.submit("x" * 50, Sampling(temperature=0.0, logit_bias={97: 100.0}, max_tokens=11))
    bench.clock.now = 101.0
    bench.settle()
    timings = bench.finished(0).timings
    assert timings.queue_s == pytest.approx(1.0)
    assert timings.ttft_s == pytest.approx(1.05)
    assert timings.prefill_tokens_per_s == pytest.approx(1_000)
    assert timings.decode_tokens_per_s == pytest.approx(1_000)


def test_metrics_add_up() -> None:
    bench = Bench()
    bench.run(LONG, Sampling(temperature=0.0, max_tokens=5))
    bench.submit("y")
    bench.engine.cancel(1)
    metrics = bench.engine.metrics()
    assert (metrics.requests_finished, metrics.requests_cancelled) == (1, 1)
    assert metrics.prefill_tokens == len(LONG)
    assert metrics.cells_used == bench.backend.cells_used
    assert metrics.decode_tokens_per_s == pytest.approx(1_000, rel=0.01)
    assert (metrics.running, metrics.waiting, metrics.parked) == (0, 0, 1)


def test_every_request_ends_once_and_last() -> None:
    bench = Bench(max_running=2, queue_limit=3)
    for i in range(9):
        bench.submit(f"{i}")
        bench.engine.cancel(i - 2)
    bench.settle()
    ends = [event.request_id for event in bench.events if isinstance(event, Ended)]
    assert sorted(ends) == list(range(9))
