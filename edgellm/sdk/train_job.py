"""The work of a training job: rows, a run in processes of its own, and the adapter that comes out."""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edgellm.data.dataset import Dataset, open_dataset
from edgellm.errors import InvalidInput, TrainingError
from edgellm.events import JobEvent, Measured, Progressed, Started
from edgellm.gguf_header import read_header
from edgellm.hub.adapters import AdapterManifest, BaseRecord, DatasetRecord, InstalledAdapter, Shelf
from edgellm.hub.hardware import probe
from edgellm.hub.installed import InstalledModel, sha256_of
from edgellm.paths import Home, private_dir
from edgellm.sdk.engines import Engines
from edgellm.sdk.inspections import library_in
from edgellm.sdk.training_request import TrainRequest, request_from
from edgellm.sdk.training_rows import tokenized
from edgellm.settings import load_settings
from edgellm.train.architecture import read_architecture
from edgellm.train.launch import Launch
from edgellm.train.plan import TrainPlan, plan_run, refuse_if_too_large
from edgellm.train.rows import RowSets, read_rows, write_rows
from edgellm.train.spec import Ended, Opened, RunSpec, Stepped, Validated, write_spec

Emit = Callable[[JobEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A run that can begin."""

    request: TrainRequest
    base: InstalledModel
    dataset: Dataset
    rows: Path
    plan: TrainPlan
    folder: Path


def prepare(home: Home, request: TrainRequest, folder: Path, emit: Emit) -> Prepared:
    """Rows on disk and a plan that fits this machine.

    Raises: ModelNotFound, ModelRejected, DatasetNotFound, DataRejected, ModelDoesNotFit, InvalidInput (name taken).
    """
    library = library_in(home)
    base = library.find(request.base)
    library.inspect(base.path)
    header = read_header(base.path)
    shape = read_architecture(header)
    dataset = open_dataset(home.datasets / request.dataset)
    private_dir(folder)
    rows = folder / "rows.msgpack"
    emit(Started(title=f"Reading {dataset.name} as {base.name} does"))
    if not rows.exists():  # a resumed run learns from the very rows it began with
        write_rows(rows, _read_by_engine(home, base, dataset, request))
    plan = plan_run(shape, read_rows(rows), request.settings, header.parameters)
    refuse_if_too_large(plan, probe().available_bytes)
    return Prepared(request=request, base=base, dataset=dataset, rows=rows, plan=plan, folder=folder)


def _read_by_engine(home: Home, base: InstalledModel, dataset: Dataset, request: TrainRequest) -> RowSets:
    engines = Engines(home, load_settings(home, os.environ), library_in(home))
    try:
        return tokenized(dataset, engines.worker(base.reference, lambda _share: None)[1], request.settings)
    finally:
        engines.close()  # its memory is needed for training


def train(home: Home, arguments: Any, folder: Path, emit: Emit) -> dict[str, Any]:
    """Do a training job; `folder` keeps what a resumed job needs. Returns the result as JSON values."""
    request = request_from(arguments)
    if any(adapter.name == request.name for adapter in Shelf(home).list()):
        hint = f"Choose another name, or remove it first: edgellm adapters remove {request.name}"
        raise InvalidInput(f"There is an adapter named {request.name!r} already.", hint=hint, field="name")
    prepared = prepare(home, request, folder / "run", emit)
    write_spec(prepared.folder / "spec.json", _spec(prepared))
    outcome = _run(prepared, emit)
    adapter = _keep(home, prepared, outcome)
    shutil.rmtree(prepared.folder, ignore_errors=True)
    return _result(adapter, outcome)


def _spec(prepared: Prepared) -> RunSpec:
    settings = prepared.request.settings
    identity = [prepared.base.sha256, prepared.dataset.manifest.dataset_hash, settings]
    return RunSpec(
        base=str(prepared.base.path),
        rows=str(prepared.rows),
        settings=settings,
        plan_hash=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
    )


class Outcome(msgspec.Struct, kw_only=True):
    """What a run said until it ended."""

    first: Stepped | None = None
    last: Stepped | None = None
    valid_losses: list[float] = []
    checkpoint: str = ""
    is_complete: bool = False
    blas: str = ""

    @property
    def tokens_per_s(self) -> float:
        """Tokens read in a second of training, over all attempts."""
        return self.last.tokens / self.last.spent_s if self.last is not None and self.last.spent_s else 0.0


def _run(prepared: Prepared, emit: Emit) -> Outcome:
    from edgellm.sdk.job_runner import CancelRequested

    outcome = Outcome()
    emit(Started(title=f"Teaching {prepared.base.name}", total=prepared.plan.steps, unit="steps"))
    with Launch(prepared.folder, os.environ, prepared.request.ranks) as launch:
        sayings = launch.sayings()
        try:
            for saying in sayings:
                _note(outcome, saying, emit)
        except CancelRequested:
            launch.stop()
            for saying in sayings:  # until the checkpoint is written
                _note(outcome, saying, lambda _event: None)
            raise
    if not outcome.is_complete:
        raise TrainingError("The run was stopped from outside.", hint="Resume it: edgellm train resume")
    return outcome


def _note(outcome: Outcome, saying: Opened | Stepped | Validated | Ended, emit: Emit) -> None:
    match saying:
        case Opened():
            outcome.blas = saying.blas
        case Stepped():
            outcome.first, outcome.last = outcome.first or saying, saying
            emit(_measured(saying))
            emit(_progressed(saying))
        case Validated():
            outcome.valid_losses.append(saying.loss)
            emit(Measured(step=saying.step, values={"valid_loss": saying.loss}))
        case Ended():
            outcome.checkpoint, outcome.is_complete = saying.checkpoint, saying.is_complete


def _measured(step: Stepped) -> Measured:
    return Measured(
        step=step.step,
        values={
            "loss": step.loss,
            "straying": step.straying,
            "learning_rate": step.learning_rate,
            "tokens_per_s": step.tokens / step.spent_s,
            "peak_memory_bytes": float(step.peak_bytes),
        },
    )


def _progressed(step: Stepped) -> Progressed:
    left_s = (step.steps - step.step) * step.spent_s / step.step
    return Progressed(done=step.step, total=step.steps, left_s=left_s, note=f"loss {step.loss:.3f}")


def _keep(home: Home, prepared: Prepared, outcome: Outcome) -> InstalledAdapter:
    """The adapter's folder: MLX, GGUF and PEFT files of the same adapter, manifest."""
    from edgellm.export.adapter_files import write_adapter_files

    request = prepared.request
    draft = private_dir(home.adapters / f".{request.name}.train-{os.getpid()}.part")
    try:
        weights = Path(outcome.checkpoint) / "weights.safetensors"
        write_adapter_files(draft, weights, prepared.base.path, name=request.name, alpha=request.settings.alpha)
        return Shelf(home).admit(draft, _manifest(prepared, outcome))
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _manifest(prepared: Prepared, outcome: Outcome) -> AdapterManifest:
    assert outcome.first is not None
    assert outcome.last is not None
    base, dataset = prepared.base, prepared.dataset
    losses = {"first": outcome.first.loss, "last": outcome.last.loss, "straying": outcome.last.straying}
    if outcome.valid_losses:
        losses |= {"valid_first": outcome.valid_losses[0], "valid_last": outcome.valid_losses[-1]}
    return AdapterManifest(
        name=prepared.request.name,
        base=BaseRecord(
            name=base.reference,
            sha256=base.sha256 or sha256_of(base.path),
            architecture=read_header(base.path).architecture,
        ),
        dataset=DatasetRecord(name=dataset.name, hash=dataset.manifest.dataset_hash),
        plan=msgspec.to_builtins(prepared.request.settings),
        losses=losses,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _result(adapter: InstalledAdapter, outcome: Outcome) -> dict[str, Any]:
    assert outcome.last is not None
    return {
        "adapter": adapter.name,
        "model": adapter.reference,
        "path": str(adapter.folder),
        "losses": dict(adapter.manifest.losses),
        "steps": outcome.last.steps,
        "tokens": outcome.last.tokens,
        "tokens_per_s": outcome.tokens_per_s,
        "train_s": outcome.last.spent_s,
        "peak_memory_bytes": outcome.last.peak_bytes,
        "blas": outcome.blas,
    }
