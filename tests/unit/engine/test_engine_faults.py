"""What the engine does when a step, an adapter or a constraint fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.engine.backend import Sampled, Sampler
from edgellm.errors import InvalidInput
from edgellm.types import Sampling
from tests.unit.engine.harness import LONG, Bench, greedy_text


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
