"""Requests through a real worker process on the fake model: streams, cancels, queues, refusals."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.engine.outcome import Failed, Finished
from edgellm.engine.stream import Stream
from edgellm.engine.supervisor import Worker
from edgellm.errors import ContextOverflow, InvalidInput, InvalidSchema, QueueFull
from edgellm.types import Constraint, Delta, FinishReason, Message, Prefill, Sampling
from tests.unit.engine.process.faces import ENDLESS, fake_config, fake_worker, short, text_of, user, wait_until

QUEUE_LIMIT = 16


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    options = "decode_row_s=0.001,prefill_token_s=0.001"
    with fake_worker(options, queue_limit=QUEUE_LIMIT, max_running=4, context_tokens=8192) as worker:
        yield worker


def reason(stream: Stream) -> FinishReason:
    return stream.result().choices[0].finish_reason


def test_a_stream_yields_text_and_then_its_result(worker: Worker) -> None:
    stream = worker.chat(user("hi"), sampling=short(20))
    assert stream.outcome is None
    with pytest.raises(RuntimeError, match="not ended"):
        stream.result()
    text = text_of(stream)
    assert len(text) > 5
    assert reason(stream) == FinishReason.LENGTH
    assert stream.result().usage.completion_tokens == 20
    assert list(stream) == []
    assert text_of(worker.chat(user("hi"), sampling=short(20))) == text


def test_many_async_streams_need_no_thread_each(worker: Worker) -> None:
    async def read(number: int) -> str:
        stream = worker.chat(user(f"question {number}"), sampling=short(30))
        return "".join([event.text async for event in stream if isinstance(event, Delta)])

    async def read_all() -> tuple[list[str], int]:
        tasks = [asyncio.create_task(read(number)) for number in range(12)]
        await asyncio.sleep(0.05)
        return await asyncio.gather(*tasks), threading.active_count()

    before = threading.active_count()
    texts, during = asyncio.run(read_all())
    assert during == before
    assert len(set(texts)) > 1
    assert all(texts)


def test_sync_and_async_readers_see_the_same(worker: Worker) -> None:
    async def read() -> str:
        stream = worker.chat(user("same"), sampling=short(30))
        events = []
        while True:
            try:
                events.append(await stream.__anext__())
            except StopAsyncIteration:
                return text_of(events)

    assert asyncio.run(read()) == text_of(worker.chat(user("same"), sampling=short(30)))


@pytest.mark.parametrize("point", range(20))
def test_cancel_at_any_point_ends_the_stream_and_frees_its_cells(worker: Worker, point: int) -> None:
    """Points 0 to 9 fall into queueing and prefill (500 ms long), the others between tokens."""
    stream = worker.chat(user("p" * 500), sampling=ENDLESS, tenant=f"cancel {point}")
    if point < 10:
        time.sleep(point * 0.03)
    else:
        deltas = 0
        while deltas <= (point - 10) * 4:
            deltas += isinstance(next(stream), Delta)
    started = time.monotonic()
    stream.cancel()
    stream.cancel()
    for _ in stream:
        continue
    assert reason(stream) == FinishReason.CANCELLED
    assert time.monotonic() - started < 3
    assert wait_until(lambda: worker.stats().running == 0)


def test_a_cancel_does_not_disturb_the_others(worker: Worker) -> None:
    alone = text_of(worker.chat(user("steady"), sampling=short(60)))
    steady = worker.chat(user("steady"), sampling=short(60))
    for _ in range(5):
        stream = worker.chat(user("x" * 300), sampling=ENDLESS)
        time.sleep(0.02)
        stream.cancel()
    assert text_of(steady) == alone


def test_a_stream_that_is_dropped_is_cancelled(worker: Worker) -> None:
    cancelled = worker.stats().requests_cancelled
    stream = worker.chat(user("drop"), sampling=ENDLESS)
    next(stream)
    del stream
    gc.collect()
    assert wait_until(lambda: worker.stats().requests_cancelled == cancelled + 1)


def test_a_loop_that_is_left_is_cancelled(worker: Worker) -> None:
    stream = worker.chat(user("leave"), sampling=ENDLESS)
    for _ in stream:
        break
    assert text_of(stream) is not None
    assert reason(stream) == FinishReason.CANCELLED


def test_an_async_loop_that_is_left_is_cancelled(worker: Worker) -> None:
    async def leave() -> Stream:
        stream = worker.chat(user("leave"), sampling=ENDLESS)
        async for _ in stream:
            break
        await asyncio.sleep(0)
        return stream

    stream = asyncio.run(leave())
    for _ in stream:
        continue
    assert reason(stream) == FinishReason.CANCELLED


def test_a_long_prompt_reports_its_progress(worker: Worker) -> None:
    events = list(worker.chat(user("q" * 1500), sampling=short(2), tenant="progress"))
    progress = [event for event in events if isinstance(event, Prefill)]
    assert len(progress) >= 2
    assert [event.done_tokens for event in progress] == sorted(event.done_tokens for event in progress)
    assert progress[0].total_tokens > 1500


def test_a_deadline_ends_the_answer_with_what_there_is(worker: Worker) -> None:
    stream = worker.chat(user("late"), sampling=ENDLESS, deadline_s=0.2)
    started = time.monotonic()
    assert text_of(stream)
    assert reason(stream) == FinishReason.DEADLINE
    assert time.monotonic() - started < 5


def test_over_the_queue_limit_requests_are_refused_and_all_others_complete(worker: Worker) -> None:
    blockers = [worker.chat(user(f"block {number}"), sampling=ENDLESS) for number in range(4)]
    assert wait_until(lambda: worker.stats().running == 4)
    streams = [worker.chat(user(f"r{number}"), sampling=short(2)) for number in range(200)]
    assert wait_until(lambda: worker.open_requests == 4 + QUEUE_LIMIT)
    for blocker in blockers:
        blocker.cancel()
    outcomes = []
    for stream in streams:
        for _ in stream:
            continue
        outcomes.append(stream.outcome)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert len(refused) == 200 - QUEUE_LIMIT
    assert {outcome.error for outcome in refused} == {"QueueFull"}
    assert refused[0].facts["limit"] == QUEUE_LIMIT
    assert all(isinstance(outcome, Finished) for outcome in outcomes[:QUEUE_LIMIT])
    with pytest.raises(QueueFull):
        streams[-1].result()


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"sampling": Sampling(temperature=float("nan"))}, InvalidInput),
        ({"sampling": Sampling(top_p=0.0)}, InvalidInput),
        ({"sampling": Sampling(temperature="hot")}, InvalidInput),  # type: ignore[arg-type]
        ({"sampling": Sampling(n=17)}, InvalidInput),
        ({"sampling": Sampling(seed=2**70)}, InvalidInput),
        ({"constraint": Constraint(kind="json_schema", text="{")}, InvalidSchema),
        ({"constraint": Constraint(kind="grammar", text='start: "a"')}, InvalidSchema),
        ({"deadline_s": 0.0}, InvalidInput),
        ({"tenant": "\ud800"}, InvalidInput),
    ],
)
def test_bad_requests_are_refused_through_the_stream(worker: Worker, settings: dict[str, object], error: type) -> None:
    stream = worker.chat(user("x"), **settings)  # type: ignore[arg-type]
    assert list(stream) == []
    with pytest.raises(error):
        stream.result()
    assert text_of(worker.chat(user("still alive"), sampling=short()))


def test_bad_conversations_are_refused(worker: Worker) -> None:
    for messages, error in (
        ((), InvalidInput),
        ((Message(role="wizard", content="x"),), InvalidInput),  # type: ignore[arg-type]
        (user("x" * 9000), ContextOverflow),
        (user("half a pair: \ud800"), InvalidInput),
    ):
        stream = worker.chat(messages)
        assert list(stream) == []
        with pytest.raises(error):
            stream.result()


def test_complete_tokenize_and_detokenize(worker: Worker) -> None:
    assert text_of(worker.complete("Once", sampling=short()))
    tokens = worker.tokenize("hé<|im_end|>")
    assert "".join(token.text for token in tokens).startswith("h")
    assert worker.detokenize([token.id for token in tokens]) == "hé<|im_end|>"
    assert len(worker.tokenize("<|im_end|>", parse_special=True)) == 1


def test_embeddings_need_the_other_mode(worker: Worker) -> None:
    with pytest.raises(InvalidInput, match="open for generation"):
        worker.embed(["x"])
    with pytest.raises(InvalidInput, match="open for generation"):
        worker.embed_tokens([[1]])


def test_an_embedder_embeds_and_refuses_empty_text() -> None:
    with fake_worker(mode="embed") as embedder:
        vectors = embedder.embed([f"text {number}" for number in range(130)])
        assert len(vectors) == 130
        assert sum(value**2 for value in vectors[7]) == pytest.approx(1.0)
        with pytest.raises(InvalidInput, match="Text 1 is empty"):
            embedder.embed(["a", "  "])
        of_tokens = embedder.embed_tokens([[1, 2, number] for number in range(130)])
        assert len(of_tokens) == 130
        assert of_tokens[7] == embedder.embed_tokens([[1, 2, 7]])[0]
        with pytest.raises(InvalidInput, match="open for embeddings"):
            embedder.stats()
        stream = embedder.chat(user("x"))
        assert list(stream) == []
        with pytest.raises(InvalidInput, match="open for embeddings"):
            stream.result()


def test_a_name_too_long_for_a_log_file_is_cut(tmp_path: Path) -> None:
    with Worker.start(fake_config("," * 250), log_dir=tmp_path) as worker:
        assert worker.info.name == "fake"
    assert len(list(tmp_path.iterdir())) == 1


def test_requests_wait_for_a_model_that_is_still_being_opened() -> None:
    worker = Worker(fake_config())
    try:
        stream = worker.chat(user("early"), sampling=short())
        assert text_of(stream)
        assert stream.result().timings.load_s == worker.load_s > 0
        assert worker.info.name == "fake"
        assert worker.memory_bytes() > 0
    finally:
        worker.stop()
