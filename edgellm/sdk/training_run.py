"""A run of the trainer inside a job: what it says as the job's events, and what came of it."""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgellm.errors import EdgeLLMError, TrainingError
from edgellm.events import Measured, Progressed
from edgellm.sdk.run_samples import Sampler
from edgellm.sdk.work import CancelRequested, Emit
from edgellm.train.environment import TEMPORARY
from edgellm.train.history import History
from edgellm.train.kernels import keep_kernels, lend_kernels
from edgellm.train.launch import Heard, Launch
from edgellm.train.ring import Member
from edgellm.train.settings import TrainSettings
from edgellm.train.spec import Ended, Opened, Saved, Stepped, Validated

WEIGHTS = "weights.safetensors"
"""In a checkpoint: what learnt."""


@dataclass(frozen=True, slots=True)
class Together:
    """Who trains."""

    members: Sequence[Member] = ()
    """None: one process, here."""
    base_sha256: str = ""
    """By which other machines find the base."""


class Outcome(msgspec.Struct, kw_only=True):
    """What a run said until it ended."""

    first: Stepped | None = None
    last: Stepped | None = None
    valid_losses: list[float] = []
    valid_measures: list[dict[str, float]] = []
    """What preference tuning measured on the same rows; the first is from before the first step."""
    checkpoint: str = ""
    """Folder of the newest one."""
    best_checkpoint: str = ""
    """Folder of the one with the lowest validation loss; the newest where nothing was measured."""
    is_complete: bool = False
    blas: str = ""

    def result(self, settings: TrainSettings) -> Path:
        """The checkpoint that counts: the best one of a run that stops when it gets no better, else the newest."""
        return Path(self.checkpoint if settings.patience is None else self.best_checkpoint)

    @property
    def tokens_per_s(self) -> float:
        """Tokens read in a second of training, over all attempts."""
        return self.last.tokens / self.last.spent_s if self.last is not None and self.last.spent_s else 0.0


def follow(folder: Path, together: Together, kernels: Path, emit: Emit, sampler: Sampler | None = None) -> Outcome:
    """Train as the folder's spec says, until the run is complete; a sampler is asked at every checkpoint.

    A resumed run tells what it had said before it goes on. `kernels`: where compiled ones are kept between runs.

    Raises: TrainingError, or what the run broke with; CancelRequested, after the run has written a checkpoint.
    """
    heard = _Heard(folder, emit, sampler)
    outcome = heard.outcome
    shutil.rmtree(folder / TEMPORARY, ignore_errors=True)  # an attempt that was killed may have left half a kernel
    lend_kernels(kernels, folder / TEMPORARY)
    with Launch(folder, os.environ, together.members, together.base_sha256) as launch:
        try:
            heard.note_all(launch.sayings())
        except CancelRequested:
            launch.stop()
            _Heard(folder).note_all(launch.sayings())  # until the checkpoint is written
            raise
    if not outcome.is_complete:
        raise TrainingError("The run was stopped from outside.", hint="Resume it: edgellm jobs resume")
    with suppress(OSError):  # the next run compiles them again
        keep_kernels(folder / TEMPORARY, kernels)
    return outcome


class _Heard:
    """What is made of a run's sayings."""

    def __init__(self, folder: Path, emit: Emit = lambda _event: None, sampler: Sampler | None = None) -> None:
        self.outcome = Outcome()
        self._history = History(folder)
        self._emit, self._sampler = emit, sampler

    def note_all(self, sayings: Iterable[Heard]) -> None:
        """Until they end."""
        for saying in sayings:
            match saying:
                case Opened():
                    self._open(saying)
                case Stepped() | Validated():
                    self._note(saying)
                case Saved():
                    self._sample(saying.step, Path(saying.checkpoint) / WEIGHTS)
                case Ended():
                    self.outcome.checkpoint, self.outcome.is_complete = saying.checkpoint, saying.is_complete
                    self.outcome.best_checkpoint = saying.best or saying.checkpoint

    def _open(self, opened: Opened) -> None:
        self.outcome.blas = opened.blas
        if opened.blas.startswith("slow"):
            self._emit(Progressed(done=opened.first_step, total=opened.steps, note=opened.blas))
        for saying in self._history.until(opened.first_step):
            self._note(saying)
        if opened.first_step:
            note = f"going on from step {opened.first_step}"
            self._emit(Progressed(done=opened.first_step, total=opened.steps, note=note))
        else:
            self._sample(0, None)

    def _note(self, saying: Stepped | Validated) -> None:
        if isinstance(saying, Validated):
            self.outcome.valid_losses.append(saying.loss)
            if saying.measures:
                self.outcome.valid_measures.append(saying.measures)
            named = {f"valid_{name}": value for name, value in saying.measures.items()}
            self._emit(Measured(step=saying.step, values={"valid_loss": saying.loss, **named}))
            return
        self.outcome.first, self.outcome.last = self.outcome.first or saying, saying
        self._emit(_measured(saying))
        self._emit(_progressed(saying))

    def _sample(self, step: int, weights: Path | None) -> None:
        """A sample that fails must not end a run; why it did stands in the job's log."""
        if self._sampler is None:
            return
        try:
            self._emit(self._sampler.ask(step, weights))
        except (EdgeLLMError, OSError):
            traceback.print_exc()


def _measured(step: Stepped) -> Measured:
    return Measured(
        step=step.step,
        values={
            "loss": step.loss,
            "straying": step.straying,
            "learning_rate": step.learning_rate,
            "tokens_per_s": step.tokens / step.spent_s,
            "peak_memory_bytes": float(step.peak_bytes),
            **step.measures,
        },
    )


def _progressed(step: Stepped) -> Progressed:
    left_s = (step.steps - step.step) * step.spent_s / step.step
    return Progressed(done=step.step, total=step.steps, left_s=left_s, note=f"loss {step.loss:.3f}")
