"""The work of a training job: rows, a run in processes of its own, and the adapter or model that comes out."""

from __future__ import annotations

import datetime
import hashlib
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from edgellm.data.dataset import open_dataset, read_manifest
from edgellm.decoding import from_json
from edgellm.engine.supervisor import Worker
from edgellm.errors import DataRejected, InvalidInput
from edgellm.events import JobEvent, Measured, Progressed, Started
from edgellm.gguf_header import read_header
from edgellm.hub.adapters import AdapterManifest, BaseRecord, DatasetRecord, Shelf
from edgellm.hub.hardware import probe
from edgellm.hub.installed import InstalledModel, sha256_of
from edgellm.paths import Home, private_dir, write_private
from edgellm.sdk.anchors import kept_anchors
from edgellm.sdk.data_notes import data_notes
from edgellm.sdk.engines import Engines
from edgellm.sdk.import_gate import check_adapter, check_model, pass_gate, verification
from edgellm.sdk.inspections import library_in
from edgellm.sdk.run_samples import Sampler
from edgellm.sdk.taught_model import Taught, keep_model
from edgellm.sdk.training import check_vacant
from edgellm.sdk.training_preferences import measured, paired, told
from edgellm.sdk.training_request import TrainRequest, request_from
from edgellm.sdk.training_rows import tokenized
from edgellm.sdk.training_run import WEIGHTS, Outcome, Together, follow
from edgellm.sdk.training_start import keep_start, starting_adapter
from edgellm.sdk.work import Emit
from edgellm.settings import load_settings
from edgellm.sizes import size
from edgellm.train.architecture import read_architecture
from edgellm.train.gate import Gate
from edgellm.train.plan import TrainPlan, plan_within, refuse_if_hopeless, refuse_if_too_large
from edgellm.train.rows import RowSets, read_rows, write_rows
from edgellm.train.settings import TrainSettings
from edgellm.train.spec import RunSpec, write_spec

ROWS, DATASET = "rows.msgpack", "dataset.json"
"""In a run's folder: what is learnt, and what that was made of."""
TRIAL_STEPS = 3
"""Steps on which a plan's time is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A run that can begin."""

    request: TrainRequest
    base: InstalledModel
    dataset: DatasetRecord
    rows: Path
    plan: TrainPlan
    available_bytes: int
    """Memory that was free when the plan was made."""
    folder: Path
    reading_kl: float
    """How far the trainer's reading of the base is from llama.cpp's, in nats a token."""

    @property
    def start(self) -> Path | None:
        """Weights of the adapter that goes on learning; None: a new one."""
        return _start_in(self.folder) if self.request.start else None


def prepare(home: Home, request: TrainRequest, folder: Path, emit: Emit) -> Prepared:
    """Rows on disk and a plan that fits this machine.

    Raises: ModelNotFound, ModelRejected (also for a base that is read in another way than llama.cpp reads it),
    DatasetNotFound, DataRejected, ModelDoesNotFit, InvalidInput (an early stop without anything to measure).
    """
    library = library_in(home)
    base = library.find(request.base)
    library.inspect(base.path)
    header = read_header(base.path)
    shape, processes = read_architecture(header), request.processes_here
    first_available = probe().available_bytes  # before the engine takes its part, which it gives back
    refuse_if_hopeless(shape, request.settings, header.parameters, processes, first_available)
    members = len(request.members()) if request.hosts else 1

    def planned(sets: RowSets, available: int = first_available) -> tuple[TrainSettings, TrainPlan]:
        _check_patience(request.settings, sets)
        settings, plan = plan_within(
            available,
            shape,
            sets,
            request.settings,
            parameters=header.parameters,
            processes=processes,
            members=members,
        )
        refuse_if_too_large(plan, available)
        return settings, plan

    dataset = _dataset(home, request, folder)
    emit(Started(title=f"Comparing how {base.name} is read with llama.cpp"))
    gate = pass_gate(header, base.sha256 or sha256_of(base.path), home.cache / "readings", home.kernels)
    private_dir(folder)
    if request.start and not _start_in(folder).exists():
        keep_start(starting_adapter(Shelf(home), base, request.start), _start_in(folder))
    rows = folder / ROWS
    emit(Started(title=f"Reading {dataset.name} as {base.name} does"))
    if not rows.exists():  # a resumed run learns from the very rows it began with
        write_private(folder / DATASET, msgspec.json.encode(dataset))
        write_rows(rows, _read_by_engine(home, base, request, dataset, check=planned, emit=emit))
    available = probe().available_bytes
    settings, plan = planned(read_rows(rows), available)
    return Prepared(
        request=msgspec.structs.replace(request, settings=settings),
        base=base,
        dataset=dataset,
        rows=rows,
        plan=plan,
        folder=folder,
        available_bytes=available,
        reading_kl=gate.kl,
    )


def _check_patience(settings: TrainSettings, sets: RowSets) -> None:
    """Raises: InvalidInput when the run is to stop by a loss that nothing can be measured on."""
    if settings.patience is not None and not sets.held_out:
        raise InvalidInput(
            "The run is to stop early by its validation loss, and the dataset has no rows to validate on.",
            hint="A dataset of a hundred rows holds some out; without them, leave the setting patience away.",
            field="patience",
        )


def _dataset(home: Home, request: TrainRequest, folder: Path) -> DatasetRecord:
    """What is learnt from; of a run that has its rows, what they were made of, whatever has become of that since.

    Its content is verified when it is read. Raises: DatasetNotFound, DataRejected.
    """
    if (folder / ROWS).exists() and (folder / DATASET).exists():
        return from_json((folder / DATASET).read_bytes(), type=DatasetRecord)
    if request.preferences is not None:
        return DatasetRecord(name=request.dataset, hash=request.preferences.sha256)
    manifest = read_manifest(home.datasets / request.dataset)
    return DatasetRecord(name=manifest.name, hash=manifest.dataset_hash)


def _start_in(folder: Path) -> Path:
    return folder / "start.safetensors"


def _read_by_engine(
    home: Home,
    base: InstalledModel,
    request: TrainRequest,
    made_of: DatasetRecord,
    *,
    check: Callable[[RowSets], object],
    emit: Emit,
) -> RowSets:
    """`check` raises before the base is asked what it says, which takes its time."""
    engines = Engines(home, load_settings(home, os.environ), library_in(home))
    try:
        worker = engines.worker(base.reference, lambda _share: None)[1]
        sets = _tokenized(home, worker, request, made_of)
        check(sets)
        if not request.settings.anchors:
            return sets
        emit(Started(title=f"Asking {base.name} what it says so far", unit="questions"))
        sha256 = base.sha256 or sha256_of(base.path)
        told = kept_anchors(
            worker, home.cache / "anchors", sha256, lambda done, total: emit(Progressed(done=done, total=total))
        )
        return replace(sets, anchors=told)
    finally:
        engines.close()  # its memory is needed for training


def _tokenized(home: Home, worker: Worker, request: TrainRequest, made_of: DatasetRecord) -> RowSets:
    """Raises: DataRejected also when another dataset has taken the name meanwhile."""
    if request.preferences is not None:
        return paired(request.preferences, worker, request.settings)
    dataset = open_dataset(home.datasets / request.dataset)
    if dataset.manifest.dataset_hash != made_of.hash:
        raise DataRejected(f"The dataset {made_of.name!r} has changed since the run began.", hint="Start again.")
    return tokenized(dataset, worker, request.settings)


def train(home: Home, arguments: Any, folder: Path, emit: Emit) -> dict[str, Any]:
    """Do a training job; `folder` keeps what a resumed job needs. Returns the result as JSON values."""
    request = request_from(arguments)
    library = library_in(home)
    check_vacant(Shelf(home), library, library.find(request.base), request.name, request.settings)
    prepared = prepare(home, request, folder / "run", emit)
    write_spec(prepared.folder / "spec.json", _spec(prepared))
    steps, needs = prepared.plan.steps, _needs(prepared.plan, prepared.available_bytes)
    emit(Started(title=f"Teaching {prepared.base.name}", total=steps, unit="steps", note=needs))
    outcome = follow(prepared.folder, _together(prepared), home.kernels, emit, _sampler(prepared))
    kept = _keep(home, prepared, outcome, emit) if request.makes_adapter else _keep_model(home, prepared, outcome, emit)
    result = kept | _result(prepared, outcome) | told(request, read_rows(prepared.rows), outcome)
    result["data_notes"] = _data_notes(home, prepared)
    shutil.rmtree(prepared.folder, ignore_errors=True)
    return result


def _needs(plan: TrainPlan, available: int) -> str:
    """What a run needs, in words; `available` bytes were free."""
    again = " Layers are computed again in the backward pass, which takes longer." if plan.is_recomputed else ""
    return (
        f"{plan.steps:,} steps; about {size(plan.total_bytes)} of the {size(available)} of memory that are free: "
        f"{plan.verdict(available)}.{again}"
    )


def _together(prepared: Prepared) -> Together:
    base = prepared.base
    return Together(prepared.request.members(), base.sha256 or sha256_of(base.path))


def _sampler(prepared: Prepared) -> Sampler | None:
    """None where llama.cpp cannot attach what is learnt, or nothing can be asked."""
    probe = read_rows(prepared.rows).probe
    if probe is None or not prepared.request.makes_adapter:
        return None
    return Sampler(prepared.base.path, prepared.request.settings.alpha, probe, prepared.start)


def plan(home: Home, arguments: Any, folder: Path, emit: Emit) -> dict[str, Any]:
    """What a run would take, its time measured on a few steps. Returns JSON values. Raises: as `prepare`."""
    prepared = prepare(home, request_from(arguments), folder / "run", emit)
    steps = min(TRIAL_STEPS, prepared.plan.steps)
    trial = msgspec.structs.replace(_spec(prepared), settings=replace(prepared.request.settings, steps=steps))
    write_spec(prepared.folder / "spec.json", trial)
    emit(Started(title=f"Trying {prepared.base.name}", total=steps, unit="steps"))
    clock, began = _ValidationClock(emit), time.monotonic()
    outcome = follow(prepared.folder, _together(prepared), home.kernels, clock)
    wall_s = time.monotonic() - began
    shutil.rmtree(prepared.folder, ignore_errors=True)
    assert outcome.last is not None
    step_s = outcome.last.spent_s / steps
    validations = math.ceil(prepared.plan.steps / prepared.request.settings.valid_steps) - 1  # one was tried
    available = prepared.available_bytes
    counts: dict[str, Any] = msgspec.to_builtins(prepared.plan)
    return counts | {
        "data_notes": _data_notes(home, prepared),
        "total_bytes": prepared.plan.total_bytes,
        "available_bytes": available,
        "verdict": prepared.plan.verdict(available),
        "step_s": step_s,
        "seconds": wall_s - outcome.last.spent_s + step_s * prepared.plan.steps + clock.seconds * validations,
        "tokens_per_s": outcome.tokens_per_s,
        "peak_memory_bytes": outcome.last.peak_bytes,
    }


def _data_notes(home: Home, prepared: Prepared) -> list[str]:
    return data_notes(home.datasets / prepared.request.dataset, prepared.dataset.hash)


class _ValidationClock:
    """Hands events on, and measures how long reading the validation rows takes: from the last step to its loss."""

    def __init__(self, emit: Emit) -> None:
        self._emit, self._since, self.seconds = emit, time.monotonic(), 0.0

    def __call__(self, event: JobEvent) -> None:
        now = time.monotonic()
        if isinstance(event, Measured) and "valid_loss" in event.values:
            self.seconds = now - self._since
        self._since = now
        self._emit(event)


def _spec(prepared: Prepared) -> RunSpec:
    settings = prepared.request.settings
    start = "" if prepared.start is None else sha256_of(prepared.start)
    meant = replace(settings, has_gradient_checkpointing=None)  # a question of memory, not of what is learnt
    identity = [prepared.base.sha256, prepared.dataset.hash, meant, start]
    return RunSpec(
        base=str(prepared.base.path),
        rows=str(prepared.rows),
        settings=settings,
        plan_hash=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
        start=str(prepared.start or ""),
    )


def _keep(home: Home, prepared: Prepared, outcome: Outcome, emit: Emit) -> dict[str, Any]:
    """The adapter's folder: MLX, GGUF and PEFT files of the same adapter, manifest.

    Returns: what it is called, and how close its GGUF file is to what was learnt.
    """
    from edgellm.export.adapter_files import GGUF_FILE, MLX_FILE, write_adapter_files

    request = prepared.request
    draft = private_dir(home.adapters / f".{request.name}.train-{os.getpid()}.part")
    try:
        weights = outcome.result(request.settings) / WEIGHTS
        write_adapter_files(draft, weights, prepared.base.path, name=request.name, alpha=request.settings.alpha)
        emit(Started(title=f"Comparing {request.name} in llama.cpp with what was learnt"))
        files = draft / GGUF_FILE, draft / MLX_FILE
        gate = check_adapter(
            prepared.base.path, *files, request.settings, folder=home.cache / "readings", kernels=home.kernels
        )
        manifest = replace(_manifest(prepared, outcome), verification=verification(gate))
        adapter = Shelf(home).admit(draft, manifest)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    kept = {"adapter": adapter.name, "model": adapter.reference, "path": str(adapter.folder)}
    return kept | {"verification": verification(gate)}


def _keep_model(home: Home, prepared: Prepared, outcome: Outcome, emit: Emit) -> dict[str, Any]:
    """The base with what was learnt in its weights, in the library.

    Returns: what it is called, and how close llama.cpp's reading of it is to ours.
    """
    taught = Taught(
        name=prepared.request.name,
        base=prepared.base,
        dataset=prepared.dataset.name,
        settings=prepared.request.settings,
        weights=outcome.result(prepared.request.settings) / WEIGHTS,
    )
    found: list[Gate] = []

    def check(made: Path) -> None:
        emit(Started(title=f"Comparing how {taught.name} is read with llama.cpp"))
        found.append(check_model(made, folder=home.cache / "readings", kernels=home.kernels))

    model = keep_model(library_in(home), taught, check, emit)
    return {"adapter": "", "model": model.name, "path": str(model.path), "verification": verification(found[0])}


def _manifest(prepared: Prepared, outcome: Outcome) -> AdapterManifest:
    base = prepared.base
    return AdapterManifest(
        name=prepared.request.name,
        base=BaseRecord(
            name=base.reference,
            sha256=base.sha256 or sha256_of(base.path),
            architecture=read_header(base.path).architecture,
        ),
        dataset=prepared.dataset,
        plan=msgspec.to_builtins(prepared.request.settings) | _origin(prepared),
        losses=_losses(outcome),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _origin(prepared: Prepared) -> dict[str, str]:
    """What the run began with, where that was an adapter; and what its answers were compared with."""
    request, base = prepared.request, prepared.base
    began = f"{base.reference}@{request.start}" if request.start else base.reference
    start = {} if prepared.start is None else {"start": began, "start_sha256": sha256_of(prepared.start)}
    return start | ({"reference": began} if request.settings.has_reference else {})


def _losses(outcome: Outcome) -> dict[str, float]:
    assert outcome.first is not None
    assert outcome.last is not None
    losses = {"first": outcome.first.loss, "last": outcome.last.loss, "straying": outcome.last.straying}
    if outcome.valid_losses:
        best = min(outcome.valid_losses)
        losses |= {"valid_first": outcome.valid_losses[0], "valid_last": outcome.valid_losses[-1], "valid_best": best}
    return losses | measured(outcome)


def _result(prepared: Prepared, outcome: Outcome) -> dict[str, Any]:
    assert outcome.last is not None
    return {
        "reading_kl": prepared.reading_kl,
        "losses": _losses(outcome),
        "cut_rows": prepared.plan.cut_rows,
        "left_out_rows": prepared.plan.left_out_rows,
        "left_out_why": prepared.plan.left_out_why,
        "steps": outcome.last.steps,
        "tokens": outcome.last.tokens,
        "tokens_per_s": outcome.tokens_per_s,
        "train_s": outcome.last.spent_s,
        "peak_memory_bytes": outcome.last.peak_bytes,
        "blas": outcome.blas,
    }
