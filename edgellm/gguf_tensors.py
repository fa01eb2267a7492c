"""Weights of a GGUF file as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgellm.errors import MissingExtra, ModelRejected
from edgellm.gguf_header import GGUFHeader, TensorInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_ROW_ITEMS = 16_384
"""Weights of a row that `gguf` reads well: sixteen such rows and what is computed of them fit the processor's cache."""
_CODE_BYTES = 16
_FEW_BITS = {"Q1_0": (1, (-1, 1)), "Q2_0": (2, (-1, 0, 1, 2))}
"""Types of ggml that the package `gguf` does not read: bits of a code, and what each code means before it is scaled."""


def raw_blocks(header: GGUFHeader, tensor: TensorInfo) -> NDArray[np.uint8]:
    """The tensor's bytes as they lie in the file: (rows, bytes of a row), a read-only memory map."""
    import numpy as np

    rows = tensor.count // tensor.shape[0]
    return np.memmap(
        header.path, dtype=np.uint8, mode="r", offset=tensor.offset, shape=(rows, tensor.size_bytes // rows)
    )


def dequantized(header: GGUFHeader, tensor: TensorInfo) -> NDArray[np.float32]:
    """The tensor as float32, slowest-varying dimension first (the reverse of GGUF's order).

    Raises: ModelRejected when the type holds no weights or cannot be read; MissingExtra without the `gguf` package.
    """
    import numpy as np

    blocks = raw_blocks(header, tensor)
    if tensor.type.name in _FEW_BITS:
        values = _few_bits(blocks, *_FEW_BITS[tensor.type.name])
        return values.reshape(tensor.shape[::-1])
    if tensor.type.name == "F64":
        return _narrowed(header, tensor, blocks.view("<f8")).reshape(tensor.shape[::-1])
    quants, kinds = _gguf()
    kind = getattr(kinds, tensor.type.name, None)
    if kind is None:
        raise _unreadable(header, tensor)
    try:
        values = quants.dequantize(_longer_rows(blocks, tensor.shape[0]), kind)
    except NotImplementedError:  # how `gguf` says that it knows a type's name only
        raise _unreadable(header, tensor) from None
    return np.ascontiguousarray(values.reshape(tensor.shape[::-1]), dtype=np.float32)


def _longer_rows(blocks: NDArray[np.uint8], items: int) -> NDArray[np.uint8]:
    """The same bytes in rows of several of `items` weights each: `gguf` takes sixteen rows at a time, in Python."""
    import numpy as np

    rows = len(blocks)
    together = next((count for count in range(_ROW_ITEMS // items, 1, -1) if rows % count == 0), 1)
    return np.asarray(blocks).reshape(rows // together, -1)


def _few_bits(blocks: NDArray[np.uint8], bits: int, values: tuple[int, ...]) -> NDArray[np.float32]:
    """Blocks of a scale in half precision and 16 bytes of codes, lowest bits first: (rows, bytes) to (rows, items)."""
    import numpy as np

    parts = blocks.reshape(len(blocks), -1, 2 + _CODE_BYTES)
    scales = np.ascontiguousarray(parts[..., :2]).view("<f2").astype(np.float32)
    codes = parts[..., 2:, None] >> np.arange(0, 8, bits, dtype=np.uint8) & (2**bits - 1)
    found = np.array(values, np.float32)[codes].reshape(*parts.shape[:2], -1) * scales
    return np.ascontiguousarray(found.reshape(len(blocks), -1))


def _narrowed(header: GGUFHeader, tensor: TensorInfo, values: NDArray[np.float64]) -> NDArray[np.float32]:
    import numpy as np

    with np.errstate(over="ignore"):
        narrowed = values.astype(np.float32)
    if (np.isinf(narrowed) & ~np.isinf(values)).any():
        raise ModelRejected(
            f"Tensor {tensor.name!r} of {str(header.path)!r} holds numbers that float32 cannot hold.",
            hint="Choose another file of the model.",
            path=str(header.path),
        )
    return narrowed


def _unreadable(header: GGUFHeader, tensor: TensorInfo) -> ModelRejected:
    return ModelRejected(
        f"Tensor {tensor.name!r} of {str(header.path)!r} has the type {tensor.type.name}, which cannot be read "
        "as numbers here.",
        hint="Choose another quantization of the model.",
        path=str(header.path),
    )


def all_dequantized(header: GGUFHeader) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Every tensor's name and values, one at a time, in the order of the file."""
    for tensor in header.tensors:
        yield tensor.name, dequantized(header, tensor)


def _gguf() -> tuple[Any, Any]:
    try:
        from gguf import GGMLQuantizationType, quants
    except ImportError:
        raise MissingExtra(
            "Reading weights needs the package gguf.", hint="Install it: pip install 'edgellm[train]'", extra="train"
        ) from None
    return quants, GGMLQuantizationType
