"""The engine on the fake model: outcomes, text, caches, faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.engine.backend import Sampled, Sampler
from edgellm.engine.fake_model import IM_END, IM_START
from edgellm.engine.outcome import Ended
from edgellm.engine.plan import Save
from edgellm.errors import InvalidInput
from edgellm.types import Constraint, FinishReason, Sampling
from tests.unit.engine.harness import GREEDY, Bench, greedy_text

LONG = "A prompt that goes on for a while, so that reading it again would cost something. "


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
    assert (bench.text(0), bench.reason(0)) == ("", FinishReason.STOP)


def test_stop_strings_of_the_format_count_besides_those_of_the_caller() -> None:
    bench = Bench()
    many = tuple(f"never {number}" for number in range(16))
    bench.run("x", Sampling(temperature=0.0, logit_bias={97: 100.0}, stop=many), stop=("aaa",))
    assert (bench.text(0), bench.reason(0)) == ("", FinishReason.STOP)


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


# ends


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


# faults


def test_an_aborted_step_is_planned_again() -> None:
    bench = Bench()
    bench.submit(LONG)
    for _ in range(3):
        bench.backend.aborts_next = True
        assert bench.engine.step()
    bench.settle()
    assert bench.text(0) == greedy_text(tuple(LONG.encode()), None, 170)
    assert bench.engine.metrics().aborted_steps == 3


def test_missing_cells_cost_time_and_no_answer() -> None:
    bench = Bench(model_path="fake:hidden_cells=90", max_parked=2)
    for i in range(6):
        bench.submit(f"{i} {LONG}", Sampling(temperature=0.0, max_tokens=20))
    bench.settle()
    for i in range(6):
        assert bench.text(i) == greedy_text(tuple(f"{i} {LONG}".encode()), None, 20)


def test_a_prompt_that_only_the_books_have_room_for_is_refused() -> None:
    bench = Bench(model_path="fake:hidden_cells=200")
    bench.run(LONG)
    assert bench.failed(0).error == "ContextOverflow"


def test_a_broken_backend_fails_all_and_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(max_running=2)
    for _ in range(4):
        bench.submit("x")

    def broken(*_: object) -> None:
        raise RuntimeError("decode returned -3")

    monkeypatch.setattr(bench.backend, "run", broken)
    with pytest.raises(RuntimeError):
        bench.engine.step()
    assert ["decode returned -3" in bench.failed(i).message for i in range(4)] == [True] * 4
    assert bench.engine.metrics().requests_failed == 4


def test_an_adapter_that_cannot_be_used_fails_only_its_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()

    def refused(path: str) -> str:
        raise InvalidInput(f"The adapter {path!r} is no GGUF file.")

    monkeypatch.setattr(bench.backend, "open_adapter", refused)
    bad, good = bench.submit(LONG, Sampling(n=2), adapter="missing"), bench.submit(LONG)
    bench.settle()
    assert bench.failed(bad).message == "The adapter 'missing' is no GGUF file."
    assert bench.text(good) == greedy_text(tuple(LONG.encode()), None, 170)
    assert bench.backend.open_samplers == 0


def test_an_adapter_file_that_is_replaced_is_another_adapter(tmp_path: Path) -> None:
    file, folder = tmp_path / "legal.gguf", tmp_path / "kept"
    file.write_bytes(b"first")
    bench = Bench(disk_cache_dir=str(folder), max_parked=1)
    first = bench.run(LONG, adapter=str(file), conversation="chat")
    file.write_bytes(b"second")
    assert bench.run(LONG, adapter=str(file), conversation="chat") != first
    assert bench.finished(1).usage.cached_tokens == 0
    file.write_bytes(b"first")
    assert bench.run(LONG, adapter=str(file), conversation="chat") == first
    bench.backend.close()


def test_an_answer_is_finished_with_the_adapter_it_began_with(tmp_path: Path) -> None:
    file = tmp_path / "legal.gguf"
    file.write_bytes(b"first")
    bench = Bench(context_tokens=512, max_running=2)
    alone = bench.run(LONG, adapter=str(file))
    running, waiting = (bench.submit(LONG, adapter=str(file), tenant=tenant) for tenant in ("acme", "umbrella"))
    bench.engine.step()
    file.unlink()
    bench.settle()
    assert bench.text(running) == bench.text(waiting) == alone
    bench.backend.close()  # refuses adapters that are still open


def test_a_constraint_that_breaks_while_writing_ends_only_its_own_request(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bad = bench.submit("bad", Sampling(temperature=0.0, n=2, max_tokens=5))
    good = bench.submit("good", Sampling(temperature=0.0, max_tokens=5))
    sample = bench.backend.sample
    calls: list[int] = []

    def breaking(row: int, sampler: Sampler) -> Sampled:
        calls.append(row)
        if len(calls) == 2:
            raise InvalidInput("The grammar allows no token.")
        return sample(row, sampler)

    monkeypatch.setattr(bench.backend, "sample", breaking)
    bench.settle()
    assert bench.failed(bad).message == "The grammar allows no token."
    assert bench.text(good) == greedy_text(tuple(b"good"), None, 5)
    assert bench.backend.open_samplers == 0


# conversations on disk


def resume(folder: Path, prompt: str, conversation: str = "chat", **config: object) -> Bench:
    bench = Bench(disk_cache_dir=str(folder), **config)
    bench.run(prompt, Sampling(temperature=0.0, max_tokens=10), conversation=conversation)
    return bench


def test_a_conversation_is_resumed_from_disk(tmp_path: Path) -> None:
    before = resume(tmp_path, LONG)
    before.engine.save_conversations()
    turn = LONG + before.text(0) + " And then?"
    after = resume(tmp_path, turn)
    assert after.text(0) == greedy_text(tuple(turn.encode()), None, 10)
    assert after.finished(0).usage.cached_tokens >= len(LONG)
    assert after.engine.metrics().disk_hits == 1


def test_saving_twice_writes_once(tmp_path: Path) -> None:
    bench = resume(tmp_path, LONG)
    bench.engine.save_conversations()
    saves = sum(call[0] == "save" for call in bench.backend.calls)
    bench.engine.save_conversations()
    assert sum(call[0] == "save" for call in bench.backend.calls) == saves == 1


def test_an_evicted_conversation_is_written_when_idle(tmp_path: Path) -> None:
    bench = Bench(disk_cache_dir=str(tmp_path), max_parked=1)
    bench.run(LONG, conversation="chat")
    bench.run("another text that pushes it out " * 2)
    assert len(list(tmp_path.iterdir())) == 1


def test_only_the_newest_text_of_a_conversation_is_written(tmp_path: Path) -> None:
    bench = resume(tmp_path, LONG)
    bench.run(LONG + "A different second turn.", Sampling(temperature=0.0, max_tokens=5), conversation="chat")
    bench.engine.save_conversations()
    assert sum(call[0] == "save" for call in bench.backend.calls) == 1
    assert resume(tmp_path, LONG + "A different second turn. Go on.").engine.metrics().disk_hits == 1


@pytest.mark.parametrize("tenant", ["acme"])
def test_another_tenant_does_not_resume_it(tmp_path: Path, tenant: str) -> None:
    resume(tmp_path, LONG).engine.save_conversations()
    bench = Bench(disk_cache_dir=str(tmp_path))
    bench.run(LONG, tenant=tenant, conversation="chat")
    assert bench.finished(0).usage.cached_tokens == 0


def test_a_damaged_conversation_is_computed_again(tmp_path: Path) -> None:
    resume(tmp_path, LONG).engine.save_conversations()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    bench = resume(tmp_path, LONG)
    assert bench.text(0) == greedy_text(tuple(LONG.encode()), None, 10)
    assert bench.finished(0).usage.cached_tokens == 0
    assert bench.engine.metrics().disk_hits == 0


def test_without_a_name_nothing_is_written(tmp_path: Path) -> None:
    bench = Bench(disk_cache_dir=str(tmp_path / "kept"))
    bench.run(LONG)
    bench.engine.save_conversations()
    assert not (tmp_path / "kept").exists()


# conversations that are forgotten


def remembers(bench: Bench, folder: Path | None = None) -> bool:
    """Whether anything is kept of the text in memory or on disk."""
    memory = bench.engine._scheduler.memory
    return bool(memory.parked or len(memory.host) or (folder and folder.exists() and any(folder.iterdir())))


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_forgotten_conversation_leaves_nothing(tmp_path: Path, on_disk: bool) -> None:
    folder = tmp_path / "kept"
    bench = Bench(disk_cache_dir=str(folder) if on_disk else None)
    bench.run(LONG, conversation="chat")
    bench.engine.save_conversations()
    bench.engine.forget_conversation("chat")
    assert not remembers(bench, folder)
    assert bench.backend.cells_used == 0


def test_a_forgotten_conversation_leaves_host_memory_and_the_others_stay(tmp_path: Path) -> None:
    bench = Bench(disk_cache_dir=str(tmp_path / "kept"), max_parked=1)
    bench.run(LONG, conversation="chat")
    bench.run("something else entirely " * 4, conversation="another")
    assert bench.engine.metrics().host_cache_bytes > 0
    bench.engine.forget_conversation("chat")
    assert bench.engine.metrics().host_cache_bytes == 0
    assert bench.engine.metrics().parked == 1


def test_a_text_on_its_way_to_host_memory_is_forgotten_too(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    bench = Bench(disk_cache_dir=str(folder), max_parked=1)
    other = bench.submit("x", Sampling(temperature=0.0, logit_bias={97: 100.0}))
    bench.engine.step()
    chat = bench.submit(LONG, Sampling(temperature=0.0, max_tokens=3), conversation="chat")
    while chat not in bench.outcomes:
        bench.engine.step()
    bench.engine.cancel(other)  # parks it; the next step will push the conversation out
    assert any(isinstance(operation, Save) for operation in bench.engine._scheduler.memory._operations)
    bench.engine.forget_conversation("chat")
    bench.settle()
    assert bench.engine.metrics().host_cache_bytes == 0
    assert not folder.exists()


@pytest.mark.parametrize("steps", [0, 1, 6])
def test_requests_that_run_when_their_conversation_is_forgotten_leave_nothing(tmp_path: Path, steps: int) -> None:
    folder = tmp_path / "kept"
    bench = Bench(disk_cache_dir=str(folder), context_tokens=512, max_running=2)
    request_id = bench.submit(LONG, Sampling(temperature=0.0, n=3, max_tokens=20), conversation="chat")
    for _ in range(steps):
        bench.engine.step()
    bench.engine.forget_conversation("chat")
    bench.settle()
    assert {bench.text(request_id, index) for index in range(3)} == {greedy_text(tuple(LONG.encode()), None, 20)}
    bench.engine.save_conversations()
    assert not remembers(bench, folder)


# fairness and measurements


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
