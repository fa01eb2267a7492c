"""An adapter's files: what llama.cpp makes of one of them against what MLX makes of the other.

Both read the same copy of some of the layers that learnt, in float32: nothing but a mistake in writing makes a
difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import mlx.core as mx

from edgellm.errors import TrainingError
from edgellm.gguf_header import GGUFHeader, raw_metadata, read_header
from edgellm.gguf_write import write_gguf
from edgellm.train.architecture import Architecture, read_architecture
from edgellm.train.base import open_base
from edgellm.train.checkpoint import load_arrays
from edgellm.train.gate import Gate
from edgellm.train.lora import make_learning
from edgellm.train.reading import divergence, least_layers, moved, moved_name, probe, read_by_llama, write_copy
from edgellm.train.settings import TrainSettings
from edgellm.train.start import put_weights


def compare_adapter(header: GGUFHeader, gguf: Path, weights: Path, settings: TrainSettings, folder: Path) -> Gate:
    """Compare the GGUF file of an adapter with its MLX weights, on its base; `folder` takes copies, which are removed.

    Raises: TrainingError when the weights are not those of such a run; DiskFull; errors of llama.cpp's process.
    """
    shape = read_architecture(header)
    layers = _compared(shape, settings)
    copy, part = folder / "base.gguf", folder / "adapter.gguf"
    try:
        write_copy(header, copy, layers)
        write_gguf(part, raw_metadata(gguf), moved(read_header(gguf), layers))
        tokens = probe(shape)
        theirs = read_by_llama(copy, tokens, part)
        model = open_base(copy)
        make_learning(model, replace(settings, method="lora", layers=_learning(shape, settings, layers)))
        if differing := put_weights(model, _moved_arrays(weights, layers)):
            raise TrainingError(
                f"The adapter in {str(weights)!r} is not what learnt: {differing!r} differs.",
                hint="The run's last checkpoint is kept. Please report this.",
            )
        model.eval()
        return Gate(kl=divergence(theirs, model, tokens), layers=len(layers))
    finally:
        copy.unlink(missing_ok=True)
        part.unlink(missing_ok=True)


def _compared(shape: Architecture, settings: TrainSettings) -> range:
    """The first layers, where all learnt; else the last ones, from where windows begin anew."""
    count, period = least_layers(shape), shape.window_period if shape.window is not None else 1
    if settings.layers is None or settings.layers >= shape.layers:
        return range(count)
    return range((shape.layers - count) // period * period, shape.layers)


def _learning(shape: Architecture, settings: TrainSettings, layers: range) -> int:
    """How many of the compared layers learnt; they are the upper ones."""
    learning = shape.layers if settings.layers is None else min(settings.layers, shape.layers)
    return layers.stop - max(layers.start, shape.layers - learning)


def _moved_arrays(weights: Path, layers: range) -> Mapping[str, mx.array]:
    named = [(moved_name(name, layers), array) for name, array in load_arrays(weights)]
    return {name: array for name, array in named if name is not None}
