"""Conversations that the engine resumes from disk, and those it forgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.engine.plan import Save
from edgellm.types import Sampling
from tests.unit.engine.harness import LONG, Bench, greedy_text


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
