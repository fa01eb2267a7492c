"""Scored prompts: every token's log-probability, a few a step, while others go on."""

from __future__ import annotations

import pytest

from edgellm.errors import EngineError
from edgellm.types import FinishReason, Sampling, TokenTrace
from tests.unit.engine.harness import LONG, Bench, scores_of

PROMPT = tuple(LONG.encode())


def scored(bench: Bench, request_id: int) -> list[TokenTrace]:
    return [trace for piece in bench.pieces(request_id) for trace in piece.delta.tokens]


@pytest.mark.parametrize("config", [{}, {"max_parked": 0, "max_running": 1}, {"batch_tokens": 3}, {"max_parked": 200},
                                    {"model_path": "fake:can_share_prefix=0"}, {"model_path": "fake:tile_tokens=4"},
                                    {"use_prefix_cache": False}])  # fmt: skip
def test_a_score_is_what_the_model_says_however_it_is_cut(config: dict[str, object]) -> None:
    bench = Bench(**config)
    request_id = bench.submit(PROMPT, scores=2)
    bench.settle()
    assert scored(bench, request_id) == scores_of(PROMPT, None, 2)
    assert bench.text(request_id) == ""
    finished = bench.finished(request_id)
    assert bench.reason(request_id) is FinishReason.STOP
    assert (finished.usage.prompt_tokens, finished.usage.completion_tokens) == (len(PROMPT), 0)
    most = max(sum(span.outputs for span in spans) for spans, _ in bench.backend.steps)
    assert most <= bench.backend.info.max_sequences
    assert bench.backend.open_samplers == 0


@pytest.mark.parametrize("size", [1, 2, 3])
def test_short_texts_have_their_scores_too(size: int) -> None:
    bench = Bench()
    request_id = bench.submit(PROMPT[:size], scores=0)
    bench.settle()
    assert scored(bench, request_id) == scores_of(PROMPT[:size], None, 0)
    assert len(scored(bench, request_id)) == size - 1


def test_cached_text_is_scored_again_and_what_was_scored_is_cached() -> None:
    bench = Bench()
    bench.run(LONG)
    request_id = bench.submit(PROMPT, scores=2)
    bench.settle()
    assert scored(bench, request_id) == scores_of(PROMPT, None, 2)
    bench.run(LONG + "And then?")
    assert bench.finished(2).usage.cached_tokens >= len(PROMPT)


def test_generated_tokens_have_the_scores_they_were_chosen_with() -> None:
    bench = Bench(context_tokens=512)
    written = bench.submit(PROMPT, Sampling(temperature=0.0, logprobs=3, max_tokens=20))
    bench.settle()
    traces = scored(bench, written)
    request_id = bench.submit((*PROMPT, *(trace.token for trace in traces)), scores=3)
    bench.settle()
    assert scored(bench, request_id)[len(PROMPT) - 1 :] == traces


def test_others_write_on_while_a_long_text_is_scored() -> None:
    bench = Bench(context_tokens=4_000, max_parked=4)
    talker = bench.submit("x", Sampling(temperature=0.0, logit_bias={97: 100.0}, max_tokens=500))
    for _ in range(3):
        bench.engine.step()
    request_id = bench.submit(PROMPT * 20, scores=0)
    before = len(bench.pieces(talker))
    steps = 0
    while request_id not in bench.outcomes:
        bench.engine.step()
        steps += 1
    assert steps > 50
    assert len(bench.pieces(talker)) - before >= steps - 1
    assert len(scored(bench, request_id)) == len(PROMPT) * 20 - 1


def test_several_are_scored_at_once_with_adapters_tenants_and_company() -> None:
    bench = Bench(context_tokens=1_000, max_running=4, max_parked=3)
    scores = {
        bench.submit(PROMPT, scores=2, tenant=tenant, adapter=adapter): adapter
        for tenant in ("", "acme")
        for adapter in (None, "legal")
    }
    chats = [bench.submit(LONG + str(number), Sampling(temperature=0.0, max_tokens=9)) for number in range(3)]
    bench.settle()
    for request_id, adapter in scores.items():
        assert scored(bench, request_id) == scores_of(PROMPT, adapter, 2)
    assert all(bench.finished(request_id).usage.completion_tokens for request_id in chats)


def test_a_preempted_text_is_read_again_and_reported_once() -> None:
    bench = Bench(context_tokens=512, max_parked=2, max_running=2)
    bench.submit("x", Sampling(temperature=0.0, logit_bias={97: 100.0}, max_tokens=60))
    bench.engine.step()
    request_id = bench.submit(PROMPT, scores=2)
    while len(scored(bench, request_id)) < 10:
        bench.engine.step()
    bench.engine._scheduler._preempt_youngest()
    bench.backend.aborts_next = True
    bench.settle()
    assert scored(bench, request_id) == scores_of(PROMPT, None, 2)
    assert bench.engine.metrics().preemptions == 1


def test_a_text_may_fill_the_context_and_no_more() -> None:
    bench = Bench(context_tokens=64)
    fits, over = bench.submit(PROMPT[:64], scores=0), bench.submit(PROMPT[:65], scores=0)
    bench.settle()
    assert len(scored(bench, fits)) == 63
    assert bench.failed(over).error == "ContextOverflow"
    assert bench.failed(over).facts == {"prompt_tokens": 65, "context_tokens": 64}
    cramped = Bench(model_path="fake:hidden_cells=9", context_tokens=64)
    request_id = cramped.submit(PROMPT[:64], scores=0)
    cramped.settle()
    assert cramped.failed(request_id).error == "ContextOverflow"


def test_a_score_that_is_cancelled_or_late_or_closed_ends_once() -> None:
    bench = Bench(context_tokens=1_000, max_running=3, max_parked=0)
    cancelled = bench.submit(PROMPT, scores=0)
    late = bench.submit(PROMPT, scores=0, deadline_at=0.02)
    closed = bench.submit(PROMPT, scores=0)
    for _ in range(3):
        bench.engine.step()
    bench.engine.cancel(cancelled)
    bench.clock.now += 1.0
    bench.engine.step()
    bench.engine.close()
    assert bench.reason(cancelled) is FinishReason.CANCELLED
    assert bench.reason(late) is FinishReason.DEADLINE
    assert bench.failed(closed).error == EngineError.__name__
    assert 0 < len(scored(bench, cancelled)) < len(PROMPT) - 1
    bench.backend.close()
