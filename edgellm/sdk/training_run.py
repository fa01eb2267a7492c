"""A run of the trainer inside a job: what it says as the job's events, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from edgellm.errors import TrainingError
from edgellm.events import Measured, Progressed
from edgellm.sdk.work import CancelRequested, Emit
from edgellm.train.launch import Heard, Launch
from edgellm.train.spec import Ended, Opened, Stepped, Validated


class Outcome(msgspec.Struct, kw_only=True):
    """What a run said until it ended."""

    first: Stepped | None = None
    last: Stepped | None = None
    valid_losses: list[float] = []
    checkpoint: str = ""
    """Folder of the newest one."""
    best_checkpoint: str = ""
    """Folder of the one with the lowest validation loss; the newest where nothing was measured."""
    is_complete: bool = False
    blas: str = ""

    @property
    def tokens_per_s(self) -> float:
        """Tokens read in a second of training, over all attempts."""
        return self.last.tokens / self.last.spent_s if self.last is not None and self.last.spent_s else 0.0


def follow(folder: Path, ranks: int, emit: Emit) -> Outcome:
    """Train as the folder's spec says, until the run is complete.

    Raises: TrainingError, or what the run broke with; CancelRequested, after the run has written a checkpoint.
    """
    outcome = Outcome()
    with Launch(folder, os.environ, ranks) as launch:
        try:
            _note_all(outcome, launch.sayings(), emit)
        except CancelRequested:
            launch.stop()
            _note_all(outcome, launch.sayings(), lambda _event: None)  # until the checkpoint is written
            raise
    if not outcome.is_complete:
        raise TrainingError("The run was stopped from outside.", hint="Resume it: edgellm jobs resume")
    return outcome


def _note_all(outcome: Outcome, sayings: Iterable[Heard], emit: Emit) -> None:
    for saying in sayings:
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
                outcome.best_checkpoint = saying.best or saying.checkpoint


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
