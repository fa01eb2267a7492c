"""A GGUF base as a decoder that can learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import mlx.core as mx

from edgellm.errors import ModelRejected
from edgellm.gguf_header import GGUFHeader, read_header
from edgellm.gguf_tensors import dequantized
from edgellm.train.architecture import read_architecture
from edgellm.train.decoder import Decoder
from edgellm.train.quantized import hold_quantized, packed

ROPE_TENSORS = ("rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight")


def open_base(
    path: Path, *, is_quantized: bool = False, on_progress: Callable[[float], None] = lambda _share: None
) -> Decoder:
    """The model in the file, nothing learning yet; every weight exact in float32, or its linear layers packed.

    Raises: ModelRejected for a family that cannot be trained, or a file that lacks or adds weights.
    """
    header = read_header(path)
    model = Decoder(read_architecture(header))
    if is_quantized:
        hold_quantized(model)
    weights = dict(part for name, weight in _weights(header, on_progress) for part in packed(name, weight, model))
    model.set_rope_factors({name: weights.pop(name) for name in ROPE_TENSORS if name in weights})
    try:
        model.load_weights(list(weights.items()), strict=True)
    except ValueError as error:
        raise ModelRejected(
            f"{str(path)!r} does not have the weights of a {header.architecture!r} model: {error}",
            hint="Choose another base model.",
            path=str(path),
        ) from error
    model.freeze()
    mx.eval(model.parameters())
    return model


def _weights(header: GGUFHeader, on_progress: Callable[[float], None]) -> Iterator[tuple[str, mx.array]]:
    done = 0
    for tensor in header.tensors:
        yield tensor.name, mx.array(dequantized(header, tensor))
        done += tensor.size_bytes
        on_progress(done / header.weights_bytes)
