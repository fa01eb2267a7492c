"""A base as our decoder reads it, against llama.cpp.

A copy of some of the base's layers in float32 is read by both; at full precision nothing but a mistake in reading makes
a difference. Where there is one, parts are silenced in turn to say which is at fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from edgellm.engine.judge import Judge, Rows, kl_divergence
from edgellm.gguf_header import GGUFHeader, TensorInfo, raw_metadata
from edgellm.gguf_tensors import dequantized
from edgellm.gguf_write import NewTensor, encoded, write_gguf
from edgellm.train import numerics, ragged
from edgellm.train.architecture import Architecture, read_architecture
from edgellm.train.base import open_base
from edgellm.train.decoder import Decoder
from edgellm.train.gate import LIMIT_NATS, Gate

LEAST_LAYERS = 2
WHOLE_BYTES = 256 * 1024**2
"""A base is compared as a whole when it has no more than this in float32, and in its first layers otherwise."""
PROBE_TOKENS = 48
"""Length of the probe; layers with a window are read to this far beyond it."""
COMPARED = 32
"""Positions, from the last one back, whose distributions are compared."""
PARTS: Mapping[str, str] = {"attention": "attn_output.weight", "feed-forward": "ffn_down.weight"}
"""Parts of a layer, and the weight without which a part says nothing."""
_LAYER = re.compile(r"blk\.(\d+)\.(.*)")


def compare_reading(header: GGUFHeader, folder: Path) -> Gate:
    """Read a base, or the first layers of a large one, with both; `folder` takes the copies, which are removed.

    Raises: ModelRejected for a family that cannot be trained; DiskFull; errors of the process that runs llama.cpp.
    """
    shape = read_architecture(header)
    layers = range(shape.layers if 4 * header.parameters <= WHOLE_BYTES else least_layers(shape))
    kl = _divergence(header, folder / "whole.gguf", layers)
    if kl <= LIMIT_NATS:
        return Gate(kl=kl, layers=len(layers))
    return Gate(kl=kl, layers=len(layers), fault=_fault(header, folder, layers))


def _fault(header: GGUFHeader, folder: Path, layers: range) -> str:
    """The part without which both agree."""
    for part, weight in PARTS.items():
        if _divergence(header, folder / "part.gguf", layers, weight) <= LIMIT_NATS:
            return part
    return "embedding, norm or head"


def _divergence(header: GGUFHeader, copy: Path, layers: range, silenced: str = "") -> float:
    """Mean divergence of the two readings of a copy, where `silenced` is a layer's weight that is zero."""
    tokens = probe(read_architecture(header))

    def theirs() -> Rows:
        write_copy(header, copy, layers, silenced)
        return read_by_llama(copy, tokens)

    try:
        with ThreadPoolExecutor(1) as beside:
            reading = beside.submit(theirs)
            numerics.compile_kernels()  # waits for a compiler, and may do that now
            found = reading.result()
        return divergence(found, open_base(copy), tokens)
    finally:
        copy.unlink(missing_ok=True)


def least_layers(shape: Architecture) -> int:
    """So many that each kind of layer is among them."""
    return min(shape.layers, max(LEAST_LAYERS, shape.window_period if shape.window is not None else 0))


def write_copy(header: GGUFHeader, copy: Path, layers: range, silenced: str = "") -> None:
    """Some layers of a base in float32, counted from 0, with all that is around them; `silenced`: as `PARTS`."""
    metadata = raw_metadata(header.path) | {
        f"{header.architecture}.block_count": encoded(len(layers)),
        "general.file_type": encoded(0),
    }
    write_gguf(copy, metadata, moved(header, layers, silenced))


def moved(header: GGUFHeader, layers: range, silenced: str = "") -> list[NewTensor]:
    """Tensors of some layers in float32, named as if those were the first ones, and those of no layer."""
    named = [(tensor, moved_name(tensor.name, layers)) for tensor in header.tensors]
    return [_float32(header, tensor, name, silenced) for tensor, name in named if name is not None]


def moved_name(name: str, layers: range) -> str | None:
    """What a tensor is called when these layers are counted from 0; None where it belongs to another layer."""
    found = _LAYER.fullmatch(name)
    if found is None:
        return name
    return f"blk.{int(found[1]) - layers.start}.{found[2]}" if int(found[1]) in layers else None


def _float32(header: GGUFHeader, tensor: TensorInfo, name: str, silenced: str) -> NewTensor:
    found = _LAYER.fullmatch(tensor.name)
    is_silenced = found is not None and found[2] == silenced

    def pieces() -> Iterator[memoryview]:
        values = dequantized(header, tensor)
        if is_silenced:
            values = np.zeros_like(values)
        yield values.astype("<f4", copy=False).reshape(-1).view("u1").data

    return NewTensor(name, tensor.shape, "F32", pieces)


def divergence(theirs: Rows, model: Decoder, tokens: list[int]) -> float:
    """Mean divergence of what llama.cpp makes of some tokens and of what our decoder does."""
    return float(kl_divergence(theirs, _ours(model, tokens)).mean())


def read_by_llama(copy: Path, tokens: list[int], adapter: Path | None = None) -> Rows:
    """What a file says of the last tokens in llama.cpp, with an adapter in GGUF form."""
    with Judge(str(copy), str(adapter) if adapter else None, context_tokens=len(tokens) + 8) as judge:
        return _last_rows(judge, tokens)


def probe(shape: Architecture) -> list[int]:
    """Token ids from all over the vocabulary, long enough to leave the window."""
    return [(7919 * at + 13) % shape.vocabulary for at in range((shape.window or 0) + PROBE_TOKENS)]


def _last_rows(judge: Judge, tokens: list[int]) -> Rows:
    """llama.cpp's log-probabilities at the compared positions."""
    last: Rows | None = None
    for rows in judge.chunks(tokens):
        last = rows[-COMPARED:] if last is None else np.concatenate([last, rows])[-COMPARED:]
    assert last is not None
    return last


def _ours(model: Decoder, tokens: list[int]) -> Rows:
    """Our log-probabilities at the compared positions."""
    x = model.run(model.embed(mx.array(tokens)), ragged.Rows(ragged.Layout(0, (len(tokens),))))
    read: NDArray[np.float32] = np.array(model.normed(x[-COMPARED:]))
    logits = read @ np.array(model.head_layer.weight).T  # numpy's BLAS is a fast one, MLX's may not be
    logits -= logits.max(axis=1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), np.float32)
