"""One worker a model, one budget for all: sharing, unloading, refusing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest

from edgellm.engine.config import EngineConfig
from edgellm.engine.pool import HAND_OUT_S, Pool
from edgellm.engine.supervisor import Worker
from edgellm.errors import EngineError, ModelDoesNotFit, ModelLoadFailed


@dataclass(eq=False)
class StandIn:
    """What the pool looks at in a worker."""

    config: EngineConfig
    open_requests: int = 0
    started_requests: int = 0
    is_stopped: bool = False

    def stop(self, *, save: bool = True) -> None:
        assert save
        assert not self.is_stopped
        self.is_stopped = True

    def use(self) -> None:
        """Serve one request to its end."""
        self.started_requests += 1


@dataclass
class Machine:
    """A pool of stand-ins on a clock of its own."""

    budget_bytes: int = 100
    now: float = 1000.0
    started: list[StandIn] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    slow: frozenset[str] = frozenset()
    """Models whose loading waits for `gate`."""
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.pool = Pool(self.budget_bytes, start=self.start, clock=lambda: self.now)

    def start(
        self, config: EngineConfig, *, log_dir: Path | None, on_progress: Callable[[float], None] | None
    ) -> Worker:
        assert log_dir is None
        if config.model_path in self.slow:
            assert self.gate.wait(10)
        if config.model_path in self.failing:
            raise ModelLoadFailed(f"{config.model_path} is broken")
        if on_progress is not None:
            on_progress(1.0)
        self.started.append(StandIn(config))
        return cast(Worker, self.started[-1])

    def worker(self, name: str, needed_bytes: int = 40) -> StandIn:
        self.now += 1
        return cast(StandIn, self.pool.worker(EngineConfig(model_path=name), needed_bytes=needed_bytes))

    def is_loaded(self, name: str) -> bool:
        return self.pool.is_loaded(EngineConfig(model_path=name))


def test_the_same_configuration_shares_a_worker() -> None:
    machine = Machine()
    assert machine.worker("a") is machine.worker("a")
    other = machine.pool.worker(EngineConfig(model_path="a", context_tokens=99), needed_bytes=1)
    assert cast(StandIn, other) is not machine.worker("a")
    assert len(machine.started) == 2


def test_concurrent_callers_wait_for_one_loading() -> None:
    machine = Machine(slow=frozenset("a"))
    with ThreadPoolExecutor(8) as callers:
        waiting = [callers.submit(machine.worker, "a") for _ in range(8)]
        assert not machine.is_loaded("a")
        machine.gate.set()
        assert len({id(call.result(10)) for call in waiting}) == 1
    assert len(machine.started) == 1


def test_models_load_side_by_side() -> None:
    machine = Machine(slow=frozenset("a"))
    with ThreadPoolExecutor(1) as callers:
        slow = callers.submit(machine.worker, "a")
        assert machine.worker("b").config.model_path == "b"
        assert not slow.done()
        machine.gate.set()
        assert slow.result(10).config.model_path == "a"


def test_the_least_recently_used_idle_model_makes_room() -> None:
    machine = Machine()
    first, second = machine.worker("a"), machine.worker("b")
    first.use()
    second.use()
    machine.worker("a").use()
    machine.worker("c")
    assert (first.is_stopped, second.is_stopped) == (False, True)
    assert [machine.is_loaded(name) for name in "abc"] == [True, False, True]
    assert machine.worker("b") is not second


def test_only_as_many_as_needed_are_unloaded() -> None:
    machine = Machine()
    small = [machine.worker(name, 20) for name in "abcde"]
    for worker in small:
        worker.use()
    machine.worker("f", 40)
    assert [worker.is_stopped for worker in small] == [True, True, False, False, False]


def test_busy_models_stay_and_the_new_one_is_refused_with_numbers() -> None:
    machine = Machine()
    busy, idle = machine.worker("a"), machine.worker("b")
    busy.use()
    idle.use()
    busy.open_requests = 1
    with pytest.raises(ModelDoesNotFit) as caught:
        machine.worker("c", 70)
    assert caught.value.facts == {"needed_bytes": 70, "available_bytes": 60}
    assert not idle.is_stopped
    machine.worker("d", 60)
    assert idle.is_stopped
    assert not busy.is_stopped


def test_a_worker_just_handed_out_is_not_unloaded_before_its_first_request() -> None:
    machine = Machine()
    machine.worker("a", 100)
    with pytest.raises(ModelDoesNotFit):
        machine.worker("b")
    machine.now += HAND_OUT_S
    assert machine.worker("b").config.model_path == "b"


def test_a_model_that_fails_to_load_tells_everybody_and_frees_its_share() -> None:
    machine = Machine(failing={"a"}, slow=frozenset("a"))
    with ThreadPoolExecutor(3) as callers:
        waiting = [callers.submit(machine.worker, "a", 100) for _ in range(3)]
        machine.gate.set()
        for call in waiting:
            with pytest.raises(ModelLoadFailed):
                call.result(10)
    assert not machine.is_loaded("a")
    machine.worker("b", 100)


def test_an_unloading_that_is_interrupted_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    machine.worker("a", 100).use()
    with monkeypatch.context() as patch:
        patch.setattr(StandIn, "stop", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            machine.worker("b", 100)
    with ThreadPoolExecutor(1) as callers:
        assert callers.submit(machine.worker, "b", 100).result(10).config.model_path == "b"


def test_unload_and_close_stop_workers() -> None:
    machine = Machine()
    first, second = machine.worker("a"), machine.worker("b")
    machine.pool.unload(first.config)
    machine.pool.unload(first.config)
    assert first.is_stopped
    machine.pool.close()
    assert second.is_stopped
    with pytest.raises(EngineError, match="closed"):
        machine.worker("a")


def test_real_workers_in_a_pool() -> None:
    pool = Pool(10)
    config = EngineConfig(model_path="fake:")
    try:
        worker = pool.worker(config, needed_bytes=10)
        assert pool.worker(config, needed_bytes=10) is worker
        assert worker.tokenize("x")
        assert pool.is_loaded(config)
    finally:
        pool.close()
    assert not pool.is_loaded(config)
