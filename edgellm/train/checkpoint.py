"""Checkpoints: everything a run needs to go on from a step as if nothing had happened."""

from __future__ import annotations

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

from edgellm.errors import TrainingError
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
        """Write one; it is there whole or not at all. Raises: OSError."""
        target = self._folder / f"step-{progress.step:08}"
        draft = private_dir(self._folder / f".{target.name}.part")
        _save(draft / "weights.safetensors", tree_flatten(model.trainable_parameters()))
        _save(draft / "optimizer.safetensors", tree_flatten(optimizer.state))
        write_private(draft / "progress.json", msgspec.json.encode(progress))
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
        sync_dir(self._folder)
        self._clear(progress)

    def newest(self) -> Path | None:
        """The folder of the newest checkpoint; None before the first."""
        return max(self._all(), default=None)

    def progress(self, folder: Path) -> Progress:
        """Where the checkpoint's run stood. Raises: TrainingError when it is damaged."""
        try:
            return msgspec.json.decode((folder / "progress.json").read_bytes(), type=Progress)
        except (OSError, msgspec.MsgspecError) as error:
            raise _damaged(folder, error) from error

    def restore(self, folder: Path, model: nn.Module, optimizer: Optimizer) -> None:
        """Put a checkpoint's weights and optimizer in place. Raises: TrainingError when it is damaged."""
        try:
            model.load_weights(_load(folder / "weights.safetensors"), strict=False)
            optimizer.state = tree_unflatten(_load(folder / "optimizer.safetensors"))
        except (SafetensorError, ValueError, KeyError, OSError) as error:
            raise _damaged(folder, error) from error

    def weights(self, folder: Path) -> Mapping[str, mx.array]:
        """A checkpoint's learnt weights by name."""
        return dict(_load(folder / "weights.safetensors"))

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
        import os

        os.fsync(file.fileno())


def _load(path: Path) -> list[tuple[str, mx.array]]:
    return [(name, mx.array(value)) for name, value in load_file(path).items()]


def _damaged(folder: Path, error: Exception) -> TrainingError:
    return TrainingError(
        f"The checkpoint {str(folder)!r} cannot be read: {error}.",
        hint="Remove that folder; the run then goes on from the one before it.",
    )
