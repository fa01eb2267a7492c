"""An adapter that goes on learning: its weights, in place before a run begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten
from safetensors import SafetensorError

from edgellm.errors import TrainingError
from edgellm.train.checkpoint import load_arrays


def take_up(model: nn.Module, path: Path) -> None:
    """Put the weights in a safetensors file in the place of those that learn.

    Raises: TrainingError when they are damaged, or are not exactly those that learn.
    """
    try:
        found = dict(load_arrays(path))
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"The adapter to begin with, {str(path)!r}, cannot be read: {error}.") from error
    if differing := put_weights(model, found):
        raise TrainingError(
            f"The adapter to begin with, {str(path)!r}, does not fit what learns: {differing!r} differs.",
            hint="Its rank, targets and layers must be those of the run.",
        )


def put_weights(model: nn.Module, found: Mapping[str, mx.array]) -> str:
    """Put arrays in the place of those that learn, when they are exactly those; else the first that differs."""
    wanted = {name: array.shape for name, array in tree_flatten(model.trainable_parameters())}
    differing = sorted(name for name in wanted.keys() | found.keys() if _shape(found, name) != wanted.get(name))
    if not differing:
        model.load_weights(list(found.items()), strict=False)
    return differing[0] if differing else ""


def _shape(arrays: Mapping[str, object], name: str) -> object:
    return getattr(arrays.get(name), "shape", None)
