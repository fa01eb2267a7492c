"""The work of a pretraining job: corpus, tokenizer, first weights, a full run, and an installed model."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from edgellm.decoding import from_json
from edgellm.errors import ModelDoesNotFit
from edgellm.events import Started
from edgellm.export.convert.parity import check_tokenizer
from edgellm.file_lock import locked
from edgellm.gguf_header import read_header
from edgellm.hub.hardware import probe
from edgellm.hub.installed import InstalledModel, Library, Manifest, sha256_of
from edgellm.paths import Home, private_dir, write_private
from edgellm.pretrain.corpus import Corpus, read_corpus
from edgellm.pretrain.recipe import MOST_EPOCHS, TOKENS_PER_PARAMETER, recipe, steps_in
from edgellm.pretrain.rows import make_rows
from edgellm.pretrain.shape import Shape, choose_shape, vocabulary_for
from edgellm.pretrain.tokenizer import open_tokenizer, train_tokenizer, vocabulary_of, write_tokenizer
from edgellm.pretrain.weights import write_first, write_learnt
from edgellm.sdk.engines import Engines
from edgellm.sdk.import_gate import check_model, verification
from edgellm.sdk.inspections import library_in
from edgellm.sdk.pretraining import DEFAULT_MINUTES, PretrainRequest, check_vacant, request_from
from edgellm.sdk.training_run import Outcome, Together, follow
from edgellm.sdk.work import Emit
from edgellm.settings import load_settings
from edgellm.sizes import size
from edgellm.train.architecture import read_architecture
from edgellm.train.plan import plan_within
from edgellm.train.rows import RowSets, write_rows
from edgellm.train.settings import TrainSettings
from edgellm.train.spec import RunSpec, read_spec, write_spec
from edgellm.types import Delta, Sampling

TRIAL_STEPS = 6
"""Steps on which a run's speed is measured; the first is left out, it is slower."""
SHOWN_SKIPPED = 20
OPENING_WORDS = 6
SAMPLE = Sampling(temperature=0.8, seed=1, max_tokens=80)


class MadeFrom(msgspec.Struct, frozen=True, kw_only=True):
    """What a model was made from, for its file and the job's result."""

    files: int
    skipped: int
    skipped_first: tuple[str, ...]
    """Name and reason, of the first `SHOWN_SKIPPED`."""
    duplicates: int
    """Passages left out because they came before."""
    chars: int
    tokens: int
    """Tokens to learn from, read once."""
    valid_tokens: int
    parameters: int
    vocabulary: int
    layers: int
    width: int
    context_tokens: int
    opening: str
    """Some words of a text, which the finished model goes on from."""


@dataclass(frozen=True, slots=True)
class _Run:
    """The files of a run; the spec is written last, and a resumed job begins with it."""

    folder: Path
    kernels: Path
    """Where compiled ones are kept between runs."""

    @property
    def first(self) -> Path:
        """The model before it has learnt anything."""
        return self.folder / "first.gguf"

    @property
    def rows(self) -> Path:
        return self.folder / "rows.msgpack"

    @property
    def made_from(self) -> Path:
        return self.folder / "made_from.json"

    @property
    def spec(self) -> Path:
        return self.folder / "spec.json"


def pretrain(home: Home, arguments: Any, folder: Path, emit: Emit) -> dict[str, Any]:
    """Do a pretraining job; `folder` keeps what a resumed job needs. Returns the result as JSON values."""
    request, library = request_from(arguments), library_in(home)
    run = _Run(private_dir(folder / "run"), home.kernels)
    if not run.spec.exists():
        check_vacant(library, request.name)
        _prepare(request, run, emit)
    steps = read_spec(run.spec).settings.steps
    made_from = from_json(run.made_from.read_bytes(), type=MadeFrom)
    emit(Started(title=f"Making {request.name}", total=steps, unit="steps"))
    outcome = follow(run.folder, Together(), run.kernels, emit)
    model, told = _install(home, library, request, run, outcome)
    result = _result(model, made_from, outcome) | told
    shutil.rmtree(run.folder, ignore_errors=True)
    return result


def _prepare(request: PretrainRequest, run: _Run, emit: Emit) -> None:
    """Everything that a run needs, on disk. Raises: DataRejected, ModelDoesNotFit, ModelRejected, MissingExtra."""
    emit(Started(title=f"Reading {Path(request.folder).name}"))
    corpus = read_corpus(Path(request.folder))
    emit(Started(title=f"Making a tokenizer from {corpus.chars / 1e6:.1f} million characters"))
    content = train_tokenizer(corpus.passages, vocabulary_for(request.parameters))
    shape = choose_shape(request.parameters, vocabulary_of(content), request.context_tokens)
    write_first(run.first, request.name, shape, write_tokenizer(run.folder, content), request.seed)
    check_tokenizer(run.first, run.folder / "tokenizer.json", content)
    sets = make_rows(corpus.passages, open_tokenizer(content), request.context_tokens)
    write_rows(run.rows, sets)
    trial = _fitting(run, sets, recipe(shape, TRIAL_STEPS, request.seed))
    made_from = _made_from(corpus, sets, shape)
    write_private(run.made_from, msgspec.json.encode(made_from))
    steps = request.steps
    if steps is None:
        emit(Started(title="Measuring the speed of a few steps"))
        seconds = 60 * (request.minutes or DEFAULT_MINUTES)
        steps = steps_in(seconds, _step_s(run, trial), made_from.tokens)
    settings = replace(recipe(shape, steps, request.seed), has_gradient_checkpointing=trial.has_gradient_checkpointing)
    write_spec(run.spec, _spec(run, settings))


def _fitting(run: _Run, sets: RowSets, settings: TrainSettings) -> TrainSettings:
    """The settings, with layers computed again in the backward pass where memory is short. Raises: ModelDoesNotFit."""
    header, available = read_header(run.first), probe().available_bytes
    shape = read_architecture(header)
    decided, plan = plan_within(available, shape, sets, settings, parameters=header.parameters)
    if plan.verdict(available) != "does not fit":
        return decided
    needed = plan.total_bytes
    raise ModelDoesNotFit(
        f"Making a model of {header.parameters / 1e6:.1f} million parameters needs about {size(needed)}, and "
        f"{size(available)} are free.",
        hint="Ask for fewer parameters or a shorter context.",
        needed_bytes=needed,
        available_bytes=available,
    )


def _step_s(run: _Run, settings: TrainSettings) -> float:
    """Seconds of a step, measured on a few that are not kept."""
    trial = private_dir(run.folder / "trial")
    shutil.rmtree(trial / "checkpoints", ignore_errors=True)  # of an attempt that was killed
    write_spec(trial / "spec.json", _spec(run, settings))
    outcome = follow(trial, Together(), run.kernels, lambda _event: None)
    shutil.rmtree(trial, ignore_errors=True)
    assert outcome.first is not None
    assert outcome.last is not None
    return (outcome.last.spent_s - outcome.first.spent_s) / (outcome.last.step - outcome.first.step)


def _spec(run: _Run, settings: TrainSettings) -> RunSpec:
    identity = [sha256_of(run.first), sha256_of(run.rows), settings]
    return RunSpec(
        base=str(run.first),
        rows=str(run.rows),
        settings=settings,
        plan_hash=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
    )


def _made_from(corpus: Corpus, sets: RowSets, shape: Shape) -> MadeFrom:
    return MadeFrom(
        files=corpus.files,
        skipped=len(corpus.skipped),
        skipped_first=corpus.skipped[:SHOWN_SKIPPED],
        duplicates=corpus.duplicates,
        chars=corpus.chars,
        tokens=sum(row.targets for row in sets.train),
        valid_tokens=sum(row.targets for row in sets.valid),
        parameters=shape.parameters,
        vocabulary=shape.vocabulary,
        layers=shape.layers,
        width=shape.width,
        context_tokens=shape.context_tokens,
        opening=" ".join(corpus.passages[0].split()[:OPENING_WORDS]),
    )


def _install(
    home: Home, library: Library, request: PretrainRequest, run: _Run, outcome: Outcome
) -> tuple[InstalledModel, dict[str, Any]]:
    """The learnt weights as a model of the library, and what is found with it; done again, it is the same file.

    Raises: TrainingError when llama.cpp reads another model in the file, ModelRejected, DiskFull, InvalidInput when
    another model took the name meanwhile.
    """
    made_from = from_json(run.made_from.read_bytes(), type=MadeFrom)
    with locked(library.lock_path(request.name)):
        draft = library.folder / f".{request.name}.pretrain.gguf"
        try:
            weights = Path(outcome.best_checkpoint) / "weights.safetensors"
            write_learnt(draft, run.first, weights, _told(made_from, outcome))
            library.inspect(draft)
            gate = check_model(draft, folder=home.cache / "readings", kernels=home.kernels)
            found = {"sample": _sample(home, draft, made_from.opening), "verification": verification(gate)}
            manifest = Manifest(
                name=request.name,
                sha256=sha256_of(draft),
                size_bytes=draft.stat().st_size,
                source=f"pretrained on {request.folder}",
                added_at=time.time(),
            )
            return library.admit(draft, manifest), found
        finally:
            draft.unlink(missing_ok=True)


def _told(made_from: MadeFrom, outcome: Outcome) -> dict[str, str]:
    """What the file says of its origin: the model's card."""
    description = (
        f"Trained from nothing on {made_from.chars / 1e6:.1f} million characters; it continues texts of that kind and "
        f"follows no instructions. Look back: {made_from.context_tokens} tokens."
    )
    facts = msgspec.to_builtins(made_from) | {"losses": _losses(outcome), "steps": outcome.last and outcome.last.steps}
    return {
        "general.description": description,
        "general.size_label": f"{made_from.parameters / 1e6:.1f}M",
        "edgellm.pretraining": json.dumps(facts),
    }


def _sample(home: Home, model: Path, opening: str) -> str:
    """What the model makes of an opening, which is part of it; empty where other work leaves no memory for it."""
    engines = Engines(home, load_settings(home, os.environ), library_in(home))
    try:
        stream = engines.worker(str(model), lambda _share: None)[1].complete(opening, sampling=SAMPLE)
        return opening + "".join(event.text for event in stream if isinstance(event, Delta))
    except ModelDoesNotFit:
        return ""
    finally:
        engines.close()


def _losses(outcome: Outcome) -> dict[str, float]:
    assert outcome.first is not None
    assert outcome.last is not None
    losses = {"first": outcome.first.loss, "last": outcome.last.loss}
    if outcome.valid_losses:
        losses["valid_best"] = min(outcome.valid_losses)
    return losses


def _result(model: InstalledModel, made_from: MadeFrom, outcome: Outcome) -> dict[str, Any]:
    assert outcome.last is not None
    made: dict[str, Any] = msgspec.to_builtins(made_from)
    return made | {
        "model": model.name,
        "path": str(model.path),
        "losses": _losses(outcome),
        "steps": outcome.last.steps,
        "epochs": outcome.last.tokens / made_from.tokens,
        "tokens_per_s": outcome.tokens_per_s,
        "train_s": outcome.last.spent_s,
        "peak_memory_bytes": outcome.last.peak_bytes,
        "blas": outcome.blas,
        "notes": list(_notes(made_from, outcome.last.tokens)),
    }


def _notes(made_from: MadeFrom, read_tokens: int) -> Iterator[str]:
    wanted = TOKENS_PER_PARAMETER * made_from.parameters
    if made_from.tokens < wanted / 2:
        chars = made_from.chars * wanted / (made_from.tokens + made_from.valid_tokens)
        yield (
            f"The texts have {made_from.tokens / 1e6:.2f} million tokens; {made_from.parameters / 1e6:.1f} million "
            f"parameters could use {wanted / 1e6:.0f} million, about {chars / 1e6:.0f} million characters."
        )
    if read_tokens < min(wanted, made_from.tokens * MOST_EPOCHS) / 2:
        yield f"Only {read_tokens / 1e6:.2f} million tokens were read; a smaller model or more time would gain."
    if made_from.skipped:
        yield f"Files that could not be read: {made_from.skipped}. The first: {made_from.skipped_first[0]}"
