"""EdgeLLM itself, through a worker process: wire and process costs count."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.arms.base import ArmConfig, Ask, OnPiece, Served
from edgellm.engine.config import EngineConfig
from edgellm.engine.supervisor import Worker
from edgellm.types import Delta, Sampling


class WorkerArm:
    """One worker with the product's own defaults."""

    name = "edgellm"

    def __init__(self, config: ArmConfig, *, disk_cache: Path | None = None) -> None:
        self._config = EngineConfig(
            model_path=str(config.model),
            context_tokens=config.context_tokens,
            max_running=config.parallel,
            disk_cache_dir=str(disk_cache) if disk_cache else None,
        )
        self._worker: Worker | None = None

    def start(self) -> None:
        """Start the worker process and wait for the model."""
        self._worker = Worker.start(self._config, log_dir=None)

    def serve(self, ask: Ask, on_piece: OnPiece | None = None) -> Served:
        """Serve one completion."""
        if self._worker is None:
            raise RuntimeError("The arm was not started.")
        served = Served(asked_at=time.perf_counter())
        sampling = Sampling(temperature=0.0, max_tokens=ask.max_tokens)
        stream = self._worker.complete(ask.prompt, sampling=sampling, conversation=ask.conversation)
        for event in stream:
            if isinstance(event, Delta) and event.text:
                served.arrivals.append((time.perf_counter(), len(event.text)))
                if on_piece:
                    on_piece(len(served.arrivals))
        usage = stream.result().usage
        served.ended_at = time.perf_counter()
        served.computed_prompt_tokens = usage.prompt_tokens - usage.cached_tokens
        served.completion_tokens = usage.completion_tokens
        return served

    def stop(self) -> None:
        """End the worker, saving named conversations."""
        if self._worker is not None:
            self._worker.stop(save=True)
            self._worker = None
