"""From a model's name to a running engine worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edgellm.engine.config import EngineConfig
from edgellm.engine.metrics import EngineMetrics
from edgellm.engine.pool import Pool
from edgellm.engine.saved_conversations import forget_conversation
from edgellm.engine.supervisor import Worker
from edgellm.errors import ModelDoesNotFit, ModelNotFound, WorkerDied
from edgellm.hub.cards import Catalogue
from edgellm.hub.fit import Fit, ModelShape, Verdict, fit, fit_card
from edgellm.hub.hardware import Hardware, probe
from edgellm.hub.inspect import Inspection
from edgellm.hub.installed import InstalledModel, Library
from edgellm.paths import Home
from edgellm.sdk.inspections import Inspections
from edgellm.settings import Settings

FAKE = "fake:"
DEFAULT_CONTEXT_TOKENS = 8192
SMALLEST_CONTEXT_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model ready to be opened."""

    name: str
    config: EngineConfig
    needed_bytes: int


class Engines:
    """Opens models on demand and keeps them within the memory budget. Thread-safe."""

    def __init__(self, home: Home, settings: Settings, library: Library) -> None:
        self._home = home
        self._settings = settings
        self._library = library
        self._inspections = Inspections(home.cache / "inspections.json")
        self._lock = threading.Lock()
        self._opened_pool: Pool | None = None
        self._chosen: dict[str, Chosen] = {}
        self._measured: Hardware | None = None

    def worker(self, name: str, on_progress: Callable[[float], None] | None = None) -> tuple[str, Worker]:
        """The model's canonical name and its worker.

        Without `on_progress` a worker that has to be started is returned at once, and its streams report `Loading`;
        with it, the call returns when the model is open.
        Raises: ModelNotFound, ModelRejected, ModelDoesNotFit; with `on_progress` ModelLoadFailed and WorkerDied too.
        """
        chosen = self._chosen.get(name) or self._chosen.setdefault(name, self.choose(name))
        worker = self._pool().worker(chosen.config, needed_bytes=chosen.needed_bytes, on_progress=on_progress)
        return chosen.name, worker

    def choose(self, name: str) -> Chosen:
        """The configuration under which a model would be opened here. Raises as `worker` does."""
        if name.startswith(FAKE):
            return Chosen(name, self._config(name, "generate", self._settings.context_tokens or 2048), 0)
        model = self._library.find(name)
        shape = self.inspection(model).shape
        verdict = self._largest_fit(model, shape, probe())
        mode: Literal["embed", "generate"] = "embed" if shape.is_embedder else "generate"
        return Chosen(model.name, self._config(str(model.path), mode, verdict.context_tokens), verdict.total_bytes)

    def fit(self, name: str, catalogue: Catalogue, context_tokens: int | None) -> Fit:
        """Whether an installed model, or else a card, fits this machine. Raises: ModelNotFound, ModelRejected."""
        hardware = self._measured_hardware()
        try:
            model = self._library.find(name)
        except ModelNotFound:
            card = catalogue.get(name)
            return fit_card(card, hardware, context_tokens or DEFAULT_CONTEXT_TOKENS, self._settings.kv_type)
        shape = self.inspection(model).shape
        wanted = context_tokens or self._wanted_context(shape)
        return fit(shape, hardware, wanted, self._settings.kv_type)

    def _measured_hardware(self) -> Hardware:
        """This machine as it is now; its bandwidth, which does not change, is measured once."""
        if self._measured is None:
            self._measured = probe(measure_bandwidth=True)
            return self._measured
        return replace(probe(), bandwidth_bytes_per_s=self._measured.bandwidth_bytes_per_s)

    def inspection(self, model: InstalledModel) -> Inspection:
        """What a child process found when it opened the file first; remembered while the file stays the same."""
        return self._inspections.of(model.path)

    def loaded(self) -> list[str]:
        """Canonical names of models that are in memory now."""
        pool = self._opened_pool
        if pool is None:
            return []
        return sorted({chosen.name for chosen in list(self._chosen.values()) if pool.is_loaded(chosen.config)})

    def unload(self, name: str) -> None:
        """Close a model if it is open: by its canonical name, or as it was asked for."""
        pool = self._opened_pool
        for asked in [asked for asked, chosen in list(self._chosen.items()) if name in (asked, chosen.name)]:
            chosen = self._chosen.pop(asked, None)
            if chosen is not None and pool is not None:
                pool.unload(chosen.config)

    def forget_conversation(self, name: str) -> None:
        """Remove the KV state of a conversation from memory and disk, whichever models wrote in it."""
        pool = self._opened_pool
        for chosen in list(self._chosen.values()):
            if pool is not None and chosen.config.mode == "generate" and pool.is_loaded(chosen.config):
                with suppress(WorkerDied):  # what it held in memory is gone with it
                    pool.worker(chosen.config, needed_bytes=chosen.needed_bytes).forget_conversation(name)
        forget_conversation(self._home.conversations, name)

    def stats(self, name: str) -> EngineMetrics | None:
        """Counters of a loaded model; None when it is not loaded."""
        worker = self._loaded_worker(name)
        return worker.stats() if worker is not None else None

    def memory_bytes(self, name: str) -> int:
        """Resident memory of a model's worker; 0 when it is not loaded."""
        worker = self._loaded_worker(name)
        return worker.memory_bytes() if worker is not None else 0

    def close(self) -> None:
        """Stop every worker, conversations saved first."""
        with self._lock:
            pool, self._opened_pool = self._opened_pool, None
        if pool is not None:
            pool.close()

    def _loaded_worker(self, name: str) -> Worker | None:
        pool = self._opened_pool
        for asked, chosen in list(self._chosen.items()):
            if name in (asked, chosen.name) and pool is not None and pool.is_loaded(chosen.config):
                return pool.worker(chosen.config, needed_bytes=chosen.needed_bytes)
        return None

    def _pool(self) -> Pool:
        with self._lock:
            if self._opened_pool is None:
                budget_bytes = int(probe().available_bytes * self._settings.memory_share)
                self._opened_pool = Pool(budget_bytes, log_dir=self._home.logs, start=_start)
            return self._opened_pool

    def _wanted_context(self, shape: ModelShape) -> int:
        return self._settings.context_tokens or min(shape.trained_context_tokens, DEFAULT_CONTEXT_TOKENS)

    def _largest_fit(self, model: InstalledModel, shape: ModelShape, hardware: Hardware) -> Fit:
        wanted = self._wanted_context(shape)
        verdict = fit(shape, hardware, wanted, self._settings.kv_type)
        while verdict.verdict is Verdict.NO and wanted > SMALLEST_CONTEXT_TOKENS and not self._settings.context_tokens:
            wanted = max(SMALLEST_CONTEXT_TOKENS, wanted // 2)
            verdict = fit(shape, hardware, wanted, self._settings.kv_type)
        if verdict.verdict is Verdict.NO:
            raise ModelDoesNotFit(
                f"{model.name!r} does not fit this machine: {verdict.reason}",
                hint="Choose a smaller model or a smaller context: edgellm models list --fits",
                needed_bytes=verdict.total_bytes,
                available_bytes=verdict.available_bytes,
            )
        return verdict

    def _config(self, path: str, mode: Literal["generate", "embed"], context_tokens: int) -> EngineConfig:
        return EngineConfig(
            model_path=path,
            mode=mode,
            context_tokens=context_tokens,
            kv_type=self._settings.kv_type,
            threads=self._settings.threads,
            gpu_layers=self._settings.gpu_layers,
            disk_cache_dir=str(self._home.conversations),
        )


def _start(config: EngineConfig, *, log_dir: Path | None, on_progress: Callable[[float], None] | None) -> Worker:
    if on_progress is None:
        return Worker(config, log_dir=log_dir)
    return Worker.start(config, log_dir=log_dir, on_progress=on_progress)
