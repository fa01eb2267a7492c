"""Several loaded models within one memory budget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgellm.engine.config import EngineConfig
from edgellm.engine.supervisor import Worker
from edgellm.errors import EngineError, ModelDoesNotFit

HAND_OUT_S = 5.0
"""A worker that was handed out stays loaded for this long until its first request: its caller is about to use it."""

OnProgress = Callable[[float], None]


class StartWorker(Protocol):
    """How the pool opens a model; `Worker.start`, or a stand-in."""

    def __call__(self, config: EngineConfig, *, log_dir: Path | None, on_progress: OnProgress | None) -> Worker: ...


@dataclass(eq=False, slots=True)
class _Loaded:
    """A model that is open or being opened."""

    needed_bytes: int
    worker: Future[Worker] = field(default_factory=Future)
    used_at: float = 0.0
    requests_then: int = 0
    """What `started_requests` was when it was handed out last."""

    def touch(self, now: float) -> None:
        """Note that it is being handed out."""
        self.used_at = now
        self.requests_then = self.worker.result().started_requests if self.worker.done() else 0

    def is_idle(self, now: float) -> bool:
        if not self.worker.done():
            return False
        worker = self.worker.result()
        is_awaited = worker.started_requests == self.requests_then and now - self.used_at < HAND_OUT_S
        return worker.open_requests == 0 and not is_awaited


class Pool:
    """One worker a configuration; the least recently used idle ones are unloaded to make room. Thread-safe."""

    def __init__(
        self,
        budget_bytes: int,
        *,
        log_dir: Path | None = None,
        start: StartWorker = Worker.start,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`budget_bytes`: what all open models may need together, by their callers' estimates."""
        self._budget_bytes = budget_bytes
        self._log_dir = log_dir
        self._start = start
        self._clock = clock
        self._lock = threading.Lock()
        self._loaded: dict[EngineConfig, _Loaded] = {}
        self._is_closed = False

    def worker(self, config: EngineConfig, *, needed_bytes: int, on_progress: OnProgress | None = None) -> Worker:
        """The open model of `config`; opened if need be, once for everybody who asks meanwhile.

        Raises: ModelDoesNotFit when the models in use leave too little room; what `Worker.start` raises.
        """
        with self._lock:
            loaded = self._loaded.get(config)
            is_new, leaving = loaded is None, []
            if loaded is None:
                leaving = self._make_room(config, needed_bytes)
                loaded = self._loaded[config] = _Loaded(needed_bytes)
            loaded.touch(self._clock())
        if is_new:
            self._open(config, loaded, leaving, on_progress)
        return loaded.worker.result()

    def is_loaded(self, config: EngineConfig) -> bool:
        """Whether the model is open (not merely being opened)."""
        with self._lock:
            loaded = self._loaded.get(config)
        return loaded is not None and loaded.worker.done() and loaded.worker.exception() is None

    def unload(self, config: EngineConfig) -> None:
        """Close a model; its open requests fail. Nothing happens when it is not loaded."""
        with self._lock:
            loaded = self._loaded.pop(config, None)
        if loaded is not None and loaded.worker.exception() is None:
            loaded.worker.result().stop()

    def close(self) -> None:
        """Close every model; conversations are saved first."""
        with self._lock:
            self._is_closed = True
            configs = list(self._loaded)
        for config in configs:
            self.unload(config)

    def _make_room(self, config: EngineConfig, needed_bytes: int) -> list[_Loaded]:
        """Take the least recently used idle models out until the new one fits. Raises: ModelDoesNotFit."""
        if self._is_closed:
            raise EngineError("The models were closed; nothing can be opened any more.")
        now = self._clock()
        free = self._budget_bytes - sum(loaded.needed_bytes for loaded in self._loaded.values())
        idle = [other for other, loaded in self._loaded.items() if loaded.is_idle(now)]
        leaving: list[EngineConfig] = []
        for other in sorted(idle, key=lambda other: self._loaded[other].used_at):
            if free >= needed_bytes:
                break
            leaving.append(other)
            free += self._loaded[other].needed_bytes
        if free < needed_bytes:
            raise _does_not_fit(config, needed_bytes, free, self._budget_bytes)
        return [self._loaded.pop(other) for other in leaving]

    def _open(
        self, config: EngineConfig, loaded: _Loaded, leaving: list[_Loaded], on_progress: OnProgress | None
    ) -> None:
        """Open the model once those that leave have given their memory back."""
        try:
            for idle in leaving:
                idle.worker.result().stop()
            worker = self._start(config, log_dir=self._log_dir, on_progress=on_progress)
        except BaseException as error:  # whoever waits for the same model must hear of it
            with self._lock:
                self._loaded.pop(config, None)
            loaded.worker.set_exception(error)
        else:
            with self._lock:
                loaded.worker.set_result(worker)
                loaded.touch(self._clock())


def _does_not_fit(config: EngineConfig, needed_bytes: int, free_bytes: int, budget_bytes: int) -> ModelDoesNotFit:
    return ModelDoesNotFit(
        f"{Path(config.model_path).stem!r} needs {needed_bytes / 1e9:.1f} GB; {max(0, free_bytes) / 1e9:.1f} GB of "
        f"the {budget_bytes / 1e9:.1f} GB for models can be made free.",
        hint="Wait until other models are idle or unload one, or choose a smaller model or context.",
        needed_bytes=needed_bytes,
        available_bytes=max(0, free_bytes),
    )
