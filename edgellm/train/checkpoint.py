"""Checkpoints: everything a run needs to go on from a step as if nothing had happened."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import msgspec
from mlx import nn
from mlx.optimizers import Optimizer
from mlx.utils import tree_flatten, tree_unflatten
from safetensors import SafetensorError
from safetensors.numpy import load_file

from edgellm.decoding import from_json
from edgellm.disk_space import check_space
from edgellm.errors import DiskFull, TrainingError
from edgellm.paths import private_dir, sync_dir, write_private

KEPT = 2
"""Newest checkpoints that stay; the one with the best validation loss stays too."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands."""

    step: int
    """Steps done."""
    tokens: int = 0
    """Tokens read, anchors included."""
    spent_s: float = 0.0
    loss: float | None = None
    best_valid_loss: float | None = None
    best_step: int | None = None
    measured_without_gain: int = 0
    plan_hash: str = ""
    """What the run was asked to do; a checkpoint of another plan is refused."""


class Checkpoints:
    """The checkpoints of one run, one folder each: weights, optimizer, progress."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, model: nn.Module, optimizer: Optimizer, progress: Progress) -> None:
        """Write one; it is there whole or not at all. Raises: DiskFull, OSError."""
        target = self._folder / f"step-{progress.step:08}"
        draft = self._folder / f".{target.name}.part"
        try:
            self._write(draft, model, optimizer, progress)
            shutil.rmtree(target, ignore_errors=True)
            draft.rename(target)
        except (OSError, RuntimeError) as error:  # MLX's writer knows RuntimeError only
            shutil.rmtree(draft, ignore_errors=True)
            raise self._unwritten(progress.step, error) from error
        sync_dir(self._folder)
        self._clear(progress)

    def _write(self, draft: Path, model: nn.Module, optimizer: Optimizer, progress: Progress) -> None:
        weights, state = tree_flatten(model.trainable_parameters()), tree_flatten(optimizer.state)
        private_dir(draft)
        check_space(draft, sum(array.nbytes for _, array in (*weights, *state)))
        _save(draft / "weights.safetensors", weights)
        _save(draft / "optimizer.safetensors", state)
        write_private(draft / "progress.json", msgspec.json.encode(progress))

    def _unwritten(self, step: int, error: Exception) -> Exception:
        """What is raised in the place of `error`."""
        if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return error
        before = self.newest()
        kept = f"the checkpoint of step {int(before.name[5:])} is whole" if before else "there is none yet"
        return DiskFull(
            f"The checkpoint of step {step} could not be written to {str(self._folder)!r}: {str(error).rstrip('.')}. "
            f"Of those before, {kept}.",
            hint="Free some space, then resume the run.",
            path=str(self._folder),
        )

    def newest(self) -> Path | None:
        """The folder of the newest checkpoint; None before the first."""
        return max(self._all(), default=None)

    def progress(self, folder: Path) -> Progress:
        """Where the checkpoint's run stood. Raises: TrainingError when it is damaged."""
        try:
            return from_json((folder / "progress.json").read_bytes(), type=Progress)
        except (OSError, msgspec.MsgspecError) as error:
            raise _damaged(folder, error) from error

    def restore(self, folder: Path, model: nn.Module, optimizer: Optimizer) -> None:
        """Put a checkpoint's weights and optimizer in place. Raises: TrainingError when it is damaged."""
        try:
            model.load_weights(load_arrays(folder / "weights.safetensors"), strict=False)
            optimizer.state = tree_unflatten(load_arrays(folder / "optimizer.safetensors"))
        except (SafetensorError, ValueError, KeyError, OSError) as error:
            raise _damaged(folder, error) from error

    def weights(self, folder: Path) -> Mapping[str, mx.array]:
        """A checkpoint's learnt weights by name."""
        return dict(load_arrays(folder / "weights.safetensors"))

    def of_step(self, step: int) -> Path:
        """The folder of a step's checkpoint."""
        return self._folder / f"step-{step:08}"

    def _all(self) -> list[Path]:
        return sorted(self._folder.glob("step-*")) if self._folder.is_dir() else []

    def _clear(self, progress: Progress) -> None:
        best = None if progress.best_step is None else self.of_step(progress.best_step)
        for folder in self._all()[:-KEPT]:
            if folder != best:
                shutil.rmtree(folder, ignore_errors=True)


def _save(path: Path, arrays: list[tuple[str, Any]]) -> None:
    mx.save_safetensors(str(path), dict(arrays))
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def load_arrays(path: Path) -> list[tuple[str, mx.array]]:
    """What a safetensors file holds. Raises: SafetensorError, OSError."""
    return [(name, mx.array(value)) for name, value in load_file(path).items()]


def _damaged(folder: Path, error: Exception) -> TrainingError:
    return TrainingError(
        f"The checkpoint {str(folder)!r} cannot be read: {error}.",
        hint="Remove that folder; the run then goes on from the one before it.",
    )
