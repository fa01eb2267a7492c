"""A base with changed weights as a full-precision GGUF: the base's metadata, byte for byte.

LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685): W + alpha / rank * B A, added in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgellm.adapter_header import AdapterHeader
from edgellm.errors import InvalidInput
from edgellm.gguf_header import GGUFHeader, TensorInfo, raw_metadata
from edgellm.gguf_tensors import dequantized
from edgellm.gguf_write import NewTensor, copied, encoded, write_gguf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Precision = Literal["F16", "F32"]
FILE_TYPES: Mapping[Precision, int] = {"F32": 0, "F16": 1}
"""llama.cpp's numbers (LLAMA_FTYPE) under general.file_type."""
PLAIN_TYPES = ("F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64")
"""Copied as they are where nothing is added: full precision already, or no weights."""
Advance = Callable[[int], None]


def delta(adapter: AdapterHeader, name: str) -> NDArray[np.float32]:
    """What an adapter adds to the weight `name`, in its shape: (outputs, inputs), with experts (experts, ...)."""
    import numpy as np

    pair = adapter.pairs[name]
    product = np.matmul(dequantized(adapter.file, pair.b), dequantized(adapter.file, pair.a))
    scale = adapter.alpha / pair.rank if adapter.alpha else 1.0
    scaled: NDArray[np.float32] = np.float32(scale) * product
    return scaled


@dataclass(frozen=True, slots=True)
class Changes:
    """What becomes of a base's weights."""

    names: Collection[str]
    """The base's tensors that change."""
    apply: Callable[[str, NDArray[np.float32]], NDArray[np.float32]]
    """Name and weights to the weights in their place, of the same shape."""


def added(adapter: AdapterHeader) -> Changes:
    """What an adapter does to its base."""
    return Changes(adapter.pairs, lambda name, values: values + delta(adapter, name))


def fused_bytes(base: GGUFHeader, precision: Precision) -> int:
    """Size of the tensors that `fuse` writes, at most."""
    width = {"F16": 2, "F32": 4}[precision]
    return sum(max(tensor.size_bytes, tensor.count * width) for tensor in base.tensors)


def fuse(
    base: GGUFHeader,
    changes: Changes | None,
    target: Path,
    precision: Precision = "F16",
    on_tensor: Advance = lambda _: None,
    *,
    description: str = "",
) -> None:
    """Write the base's weights, as the changes leave them, at full precision; one tensor in memory at a time.

    The caller has checked that the changes fit the base. Vectors (norms, biases) become F32. `on_tensor` is told how
    many tensors are written; `description` takes the place of what the base says of itself.
    Raises: InvalidInput when a weight does not fit F16; ModelRejected, MissingExtra, DiskFull.
    """
    metadata = raw_metadata(base.path) | {"general.file_type": encoded(FILE_TYPES[precision])}
    if description:
        metadata["general.description"] = encoded(description)
    tensors = (_written(base, tensor, changes, precision) for tensor in base.tensors)
    write_gguf(target, metadata, [_counted(tensor, at, on_tensor) for at, tensor in enumerate(tensors, 1)])


def _counted(tensor: NewTensor, at: int, on_tensor: Advance) -> NewTensor:
    def pieces() -> Iterator[bytes | memoryview]:
        yield from tensor.pieces()
        on_tensor(at)

    return NewTensor(tensor.name, tensor.shape, tensor.type, pieces)


def _written(base: GGUFHeader, tensor: TensorInfo, changes: Changes | None, precision: Precision) -> NewTensor:
    is_changed = changes is not None and tensor.name in changes.names
    if not is_changed and tensor.type.name in PLAIN_TYPES:
        return copied(base, tensor)
    chosen: Precision = "F32" if len(tensor.shape) == 1 else precision

    def pieces() -> Iterator[memoryview]:
        values = dequantized(base, tensor)
        if changes is not None and is_changed:
            values = changes.apply(tensor.name, values)
        yield _narrowed(values, chosen, tensor.name).reshape(-1).view("u1").data

    return NewTensor(tensor.name, tensor.shape, chosen, pieces)


def _narrowed(values: NDArray[np.float32], precision: Precision, name: str) -> NDArray[np.floating]:
    import numpy as np

    if precision == "F32":
        return values.astype("<f4", copy=False)
    with np.errstate(over="ignore"):
        narrow = values.astype("<f2")
    if not np.isfinite(narrow).all():
        largest = float(np.abs(values).max())
        raise InvalidInput(
            f"Tensor {name!r} has values up to {largest:g}, which half precision (F16) cannot hold.",
            hint="Add F32 to the quantizations.",
            field="precision",
        )
    return narrow
