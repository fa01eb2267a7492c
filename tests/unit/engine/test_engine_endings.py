"""How requests to the engine end: cancelled, late, refused, closed."""

from __future__ import annotations

import pytest

from edgellm.types import Constraint, FinishReason, Sampling
from tests.unit.engine.harness import GREEDY, LONG, Bench


@pytest.mark.parametrize("steps", [0, 1, 2, 6])
def test_cancel_keeps_the_text_so_far(steps: int) -> None:
    bench = Bench(batch_tokens=80)
    request_id = bench.submit(LONG, Sampling(temperature=0.0, logit_bias={97: 100.0}))
    for _ in range(steps):
        bench.engine.step()
    bench.engine.cancel(request_id)
    bench.engine.cancel(request_id)
    bench.engine.cancel(99)
    bench.settle()
    assert bench.reason(request_id) is FinishReason.CANCELLED
    assert bench.text(request_id) == "a" * bench.finished(request_id).usage.completion_tokens


def test_cancel_gives_all_unfinished_answers_their_reason() -> None:
    bench = Bench()
    bench.submit("x", Sampling(temperature=0.0, n=3, logit_bias={97: 100.0}))
    bench.engine.step()
    bench.engine.cancel(0)
    assert [bench.reason(0, index) for index in range(3)] == [FinishReason.CANCELLED] * 3


def test_a_deadline_ends_a_request_wherever_it_is() -> None:
    bench = Bench(max_running=1, context_tokens=1_000)
    endless = Sampling(temperature=0.0, logit_bias={97: 100.0})
    running, waiting = bench.submit("x", endless, deadline_at=0.05), bench.submit("y", endless, deadline_at=0.02)
    assert bench.engine.next_deadline == 0.02
    bench.settle()
    assert bench.reason(running) is bench.reason(waiting) is FinishReason.DEADLINE
    assert 30 < len(bench.text(running)) < 60
    assert bench.text(waiting) == ""
    assert bench.engine.next_deadline is None
    assert bench.engine.metrics().requests_late == 2


def test_a_full_queue_refuses_with_its_limit() -> None:
    bench = Bench(max_running=1, queue_limit=2)
    ids = [bench.submit("x") for _ in range(5)]
    refused = [bench.failed(request_id) for request_id in ids[3:]]
    assert [(failure.error, failure.facts["limit"]) for failure in refused] == [("QueueFull", 2)] * 2
    bench.settle()
    assert all(bench.reason(request_id) is FinishReason.STOP for request_id in ids[:3])


@pytest.mark.parametrize(
    ("prompt", "sampling", "error"),
    [
        ((), GREEDY, "InvalidInput"),
        ((1,) * 256, GREEDY, "ContextOverflow"),
        ((1,), Sampling(temperature=float("nan")), "InvalidInput"),
    ],
)
def test_refusals_are_typed(prompt: tuple[int, ...], sampling: Sampling, error: str) -> None:
    bench = Bench()
    assert bench.failed(bench.submit(prompt, sampling)).error == error
    assert bench.engine.metrics().requests_refused == 1
    assert not bench.engine.step()


def test_an_unsupported_schema_refuses_and_leaves_no_sampler() -> None:
    bench = Bench()
    request_id = bench.submit("x", Sampling(n=3), constraint=Constraint(kind="json_schema", text="{}"))
    assert bench.failed(request_id).error == "InvalidSchema"
    assert bench.backend.open_samplers == 0


def test_a_request_id_in_use_is_a_mistake_of_the_caller() -> None:
    bench = Bench()
    bench.submit("x")
    bench._next_id = 0
    with pytest.raises(ValueError, match="still in use"):
        bench.submit("y")


def test_close_ends_everything_as_failed() -> None:
    bench = Bench(max_running=1)
    ids = [bench.submit("x"), bench.submit("y")]
    bench.engine.step()
    bench.engine.close()
    assert [bench.failed(request_id).error for request_id in ids] == ["EngineError"] * 2
    bench.backend.close()
