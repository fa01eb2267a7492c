"""From a model's name to a running engine worker."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from edgellm.engine.config import EngineConfig
from edgellm.engine.metrics import EngineMetrics
from edgellm.engine.pool import Pool
from edgellm.engine.saved_conversations import forget_conversation
from edgellm.engine.supervisor import Worker
from edgellm.errors import ModelDoesNotFit, ModelError, ModelNotFound, WorkerDied
from edgellm.hub.adapters import InstalledAdapter, Shelf
from edgellm.hub.cards import Catalogue
from edgellm.hub.fit import Fit, ModelShape, Verdict, fit, fit_card
from edgellm.hub.hardware import Hardware, probe
from edgellm.hub.inspect import Inspection
from edgellm.hub.installed import InstalledModel, Library, sha256_of
from edgellm.hub.names import split_adapter
from edgellm.paths import Home, private_dir
from edgellm.settings import Settings

Mode = Literal["generate", "embed"]
FAKE = "fake:"
DEFAULT_CONTEXT_TOKENS = 8192
SMALLEST_CONTEXT_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model ready to be opened."""

    name: str
    config: EngineConfig
    needed_bytes: int
    sha256: str | None = None
    """Of the model's file, where it is recorded."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A worker, and what it is to answer with."""

    name: str
    """Canonical, with the adapter: `starter@lighthouse`."""
    worker: Worker
    adapter: str | None = None
    """Path of the adapter's file."""


class Engines:
    """Opens models on demand and keeps them within the memory budget. Thread-safe."""

    def __init__(self, home: Home, settings: Settings, library: Library) -> None:
        self._home = home
        self._settings = settings
        self._library = library
        self._shelf = Shelf(home)
        self._lock = threading.Lock()
        self._opened_pool: Pool | None = None
        self._chosen: dict[str, Chosen] = {}
        self._measured: Hardware | None = None

    def worker(
        self, name: str, on_progress: Callable[[float], None] | None = None, *, mode: Mode | None = None
    ) -> tuple[str, Worker]:
        """The model's canonical name and its worker, which serves it with every adapter.

        Without `on_progress` a worker that has to be started is returned at once, and its streams report `Loading`;
        with it, the call returns when the model is open.
        `mode` is what it is needed for, if that matters.
        Raises: ModelNotFound, ModelRejected, ModelDoesNotFit, ModelError when it cannot do what `mode` says; with
        `on_progress` ModelLoadFailed and WorkerDied too.
        """
        opened = self.open(name, on_progress, mode=mode)
        return opened.name, opened.worker

    def open(
        self, name: str, on_progress: Callable[[float], None] | None = None, *, mode: Mode | None = None
    ) -> Opened:
        """`worker`, with the file of the adapter that the name asks for.

        Raises: as `worker`; AdapterNotFound; ModelError when the adapter was made for another base.
        """
        base, adapter_name = split_adapter(name)
        adapter = None if adapter_name is None else self._shelf.get(adapter_name)
        chosen = self._chosen.get(base) or self._chosen.setdefault(base, self.choose(base))
        if mode not in (None, chosen.config.mode):
            raise _wrong_kind(chosen)
        if adapter is not None and chosen.config.mode == "embed":
            raise ModelError(f"{chosen.name!r} is an embedder; it takes no adapter.", hint="Leave the @ and more out.")
        if adapter is not None:
            _check_base(adapter, chosen.name, chosen.sha256 or _sha256_of(Path(chosen.config.model_path)))
        worker = self._pool().worker(chosen.config, needed_bytes=chosen.needed_bytes, on_progress=on_progress)
        if adapter is None:
            return Opened(chosen.name, worker)
        return Opened(f"{chosen.name}@{adapter.name}", worker, str(adapter.path))

    def resolve(self, name: str) -> str:
        """What finds a model, with its adapter, again from any folder. Opens nothing; raises as `open` does."""
        if name.startswith(FAKE):
            return name
        base, adapter_name = split_adapter(name)
        model = self._library.find(base)
        if adapter_name is None:
            return model.reference
        adapter = self._shelf.get(adapter_name)
        _check_base(adapter, model.name, model.sha256 or _sha256_of(model.path))
        return f"{model.reference}@{adapter.name}"

    def knows(self, name: str) -> bool:
        """Whether a name is that of a model of this machine, whatever adapter it asks for. Opens nothing."""
        base, _ = split_adapter(name)
        if base.startswith(FAKE) or base in self._chosen:
            return True
        try:
            self._library.find(base)
        except ModelNotFound:
            return False
        return True

    def weights(self, name: str) -> str:
        """SHA-256 of a model's file and of its adapter's: what the name means, which may be something else tomorrow.

        Opens nothing. Raises: ModelNotFound, AdapterNotFound, InvalidInput.
        """
        base, adapter_name = split_adapter(name)
        parts = [base]
        if not base.startswith(FAKE):
            model = self._library.find(base)
            parts = [model.sha256 or sha256_of(model.path)]
        if adapter_name is not None:
            parts.append(sha256_of(self._shelf.get(adapter_name).path))
        return hashlib.sha256("@".join(parts).encode()).hexdigest()

    def choose(self, name: str) -> Chosen:
        """The configuration under which a model without an adapter would be opened here. Raises as `worker` does."""
        if name.startswith(FAKE):
            return Chosen(name, self._config(name, "generate", self._settings.context_tokens or 2048), 0, sha256=name)
        model = self._library.find(name)
        shape = self.inspection(model).shape
        verdict = self._largest_fit(model, shape, probe())
        mode: Mode = "embed" if shape.is_embedder else "generate"
        config = self._config(str(model.path), mode, verdict.context_tokens)
        return Chosen(model.name, config, verdict.total_bytes, model.sha256)

    def fit(self, name: str, catalogue: Catalogue, context_tokens: int | None) -> Fit:
        """Whether an installed model, or else a card, fits this machine. Raises: ModelNotFound, ModelRejected."""
        return self._fit_on(self._measured_hardware(), split_adapter(name)[0], catalogue, context_tokens)

    def fits(self, catalogue: Catalogue) -> dict[str, Fit]:
        """How each card fits, by id; the machine is looked at once. Without cards whose installed file is refused."""
        hardware = self._measured_hardware()
        found = {}
        for card_id in catalogue.ids:
            with suppress(ModelError):
                found[card_id] = self._fit_on(hardware, card_id, catalogue, None)
        return found

    def _fit_on(self, hardware: Hardware, name: str, catalogue: Catalogue, context_tokens: int | None) -> Fit:
        try:
            model = self._library.find(name)
        except ModelNotFound:
            card = catalogue.get(name)
            wanted = context_tokens or self._wanted_context(card.context_tokens)
            return fit_card(card, hardware, wanted, self._settings.kv_type)
        shape = self.inspection(model).shape
        wanted = context_tokens or self._wanted_context(shape.trained_context_tokens)
        return fit(shape, hardware, wanted, self._settings.kv_type)

    def _measured_hardware(self) -> Hardware:
        """This machine as it is now; its bandwidth, which does not change, is measured once."""
        if self._measured is None:
            self._measured = probe(measure_bandwidth=True)
            return self._measured
        return replace(probe(), bandwidth_bytes_per_s=self._measured.bandwidth_bytes_per_s)

    def inspection(self, model: InstalledModel) -> Inspection:
        """What a child process found when it opened the file first; remembered while the file stays the same."""
        return self._library.inspect(model.path)

    def loaded(self) -> list[str]:
        """Canonical names of models that are in memory now."""
        pool = self._opened_pool
        if pool is None:
            return []
        return sorted({chosen.name for chosen in list(self._chosen.values()) if pool.is_loaded(chosen.config)})

    def unload(self, name: str) -> None:
        """Close a model if it is open: by its canonical name, or as it was asked for; an adapter's name counts not."""
        name, pool = split_adapter(name)[0], self._opened_pool
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
        name, pool = split_adapter(name)[0], self._opened_pool
        for asked, chosen in list(self._chosen.items()):
            if name in (asked, chosen.name) and pool is not None and pool.is_loaded(chosen.config):
                return pool.worker(chosen.config, needed_bytes=chosen.needed_bytes)
        return None

    def _pool(self) -> Pool:
        with self._lock:
            if self._opened_pool is None:
                budget_bytes = int(probe().available_bytes * self._settings.memory_share)
                self._opened_pool = Pool(budget_bytes, log_dir=_writable(self._home.logs), start=_start)
            return self._opened_pool

    def _wanted_context(self, trained_tokens: int | None) -> int:
        """What the settings say, or what is usual; 0 and None: how much the model was trained for is not known."""
        return self._settings.context_tokens or min(trained_tokens or DEFAULT_CONTEXT_TOKENS, DEFAULT_CONTEXT_TOKENS)

    def _largest_fit(self, model: InstalledModel, shape: ModelShape, hardware: Hardware) -> Fit:
        wanted = self._wanted_context(shape.trained_context_tokens)
        verdict = fit(shape, hardware, wanted, self._settings.kv_type)
        while verdict.verdict is Verdict.NO and wanted > SMALLEST_CONTEXT_TOKENS and not self._settings.context_tokens:
            wanted = max(SMALLEST_CONTEXT_TOKENS, wanted // 2)
            verdict = fit(shape, hardware, wanted, self._settings.kv_type)
        if verdict.verdict is Verdict.NO:
            raise ModelDoesNotFit(
                f"{model.name!r} is too large for this machine. {verdict.reason}",
                hint="Choose a smaller model or a smaller context: edgellm models list --fits",
                needed_bytes=verdict.total_bytes,
                available_bytes=verdict.available_bytes,
            )
        return verdict

    def _config(self, path: str, mode: Mode, context_tokens: int) -> EngineConfig:
        return EngineConfig(
            model_path=path,
            mode=mode,
            context_tokens=context_tokens,
            kv_type=self._settings.kv_type,
            threads=self._settings.threads,
            gpu_layers=self._settings.gpu_layers,
            disk_cache_dir=str(self._home.conversations),
        )


def _writable(folder: Path) -> Path | None:
    """The folder; None where nothing can be kept: a model answers without a log of its own as well."""
    try:
        return folder if os.access(private_dir(folder), os.W_OK) else None
    except OSError:
        return None


def _check_base(adapter: InstalledAdapter, base: str, sha256: str) -> None:
    """Raises: ModelError when the adapter was made for a model with another hash."""
    made_for = adapter.manifest.base
    if sha256 != made_for.sha256:
        raise ModelError(
            f"The adapter {adapter.name!r} was made for {made_for.name!r} (SHA-256 {made_for.sha256[:12]}…), "
            f"not for {base!r} ({sha256[:12]}…).",
            hint=f"Use it with its own base: {adapter.reference}",
            adapter=adapter.name,
            base=base,
            made_for=made_for.name,
        )


def _sha256_of(path: Path) -> str:
    """The hash of a file outside the library, read again only when it changed."""
    status = path.stat()
    return _hashed(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _hashed(path: Path, _size_bytes: int, _modified_ns: int) -> str:
    return sha256_of(path)


def _wrong_kind(chosen: Chosen) -> ModelError:
    """The error for a model that is needed for the other mode."""
    if chosen.config.mode == "embed":
        return ModelError(
            f"{chosen.name!r} is an embedder: it turns text into vectors and cannot answer.",
            hint="Choose a chat model: edgellm models list --fits",
        )
    return ModelError(
        f"{chosen.name!r} is a chat model: it does not turn text into vectors.",
        hint="Choose an embedder, the last ones of: edgellm models list --fits",
    )


def _start(config: EngineConfig, *, log_dir: Path | None, on_progress: Callable[[float], None] | None) -> Worker:
    if on_progress is None:
        return Worker(config, log_dir=log_dir)
    return Worker.start(config, log_dir=log_dir, on_progress=on_progress)
