"""A model's first, random weights, and the GGUF files of what becomes of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.export.convert.config import Config
from edgellm.export.convert.families import Family, read_family
from edgellm.gguf_header import raw_metadata, read_header
from edgellm.gguf_write import NewTensor, Value, of_array, write_gguf
from edgellm.pretrain.shape import Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPREAD = 0.02
"""Standard deviation of the first weights (Radford et al. 2019)."""
_INTO_RESIDUALS = ("attn_output.weight", "ffn_down.weight")
"""What adds to the residual stream begins smaller, by the root of how many such layers there are (same paper)."""


def write_first(path: Path, name: str, shape: Shape, vocabulary: Mapping[str, Value], seed: int) -> None:
    """A GGUF file of float32 weights that have learnt nothing: the base that the trainer opens."""
    family = read_family(Config(path, shape.config()))
    metadata: dict[str, Value] = {
        "general.architecture": family.architecture,
        "general.type": "model",
        "general.name": name,
        "general.file_type": 0,  # F32
        **family.metadata(shape.context_tokens),
    }
    write_gguf(path, {**metadata, **vocabulary}, _random(family, seed))


def _random(family: Family, seed: int) -> Iterator[NewTensor]:
    import numpy as np

    chance = np.random.default_rng(seed)
    for name, shape in family.shapes().items():
        if len(shape) == 1:
            yield of_array(name, np.ones(shape, np.float32))
            continue
        spread = SPREAD / math.sqrt(2 * family.layers) if name.endswith(_INTO_RESIDUALS) else SPREAD
        yield of_array(name, (chance.standard_normal(shape) * spread).astype(np.float32))


def write_learnt(path: Path, first: Path, weights: Path, told: Mapping[str, Value]) -> None:
    """The file `first` with the weights of a checkpoint (safetensors, GGUF's names) and more metadata."""
    from safetensors.numpy import load_file

    learnt: dict[str, NDArray[np.float32]] = load_file(weights)
    header = read_header(first)
    assert set(learnt) == {tensor.name for tensor in header.tensors}, "a full run learns every weight"
    write_gguf(path, {**raw_metadata(first), **told}, [of_array(t.name, learnt[t.name]) for t in header.tensors])
