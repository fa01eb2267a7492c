"""Weights of a GGUF file as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgellm.errors import MissingExtra, ModelRejected
from edgellm.gguf_header import GGUFHeader, TensorInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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

    quants, kinds = _gguf()
    kind = getattr(kinds, tensor.type.name, None)
    if kind is None:
        raise _unreadable(header, tensor)
    blocks = raw_blocks(header, tensor)
    try:
        values = quants.dequantize(blocks, kind)
    except NotImplementedError:  # how `gguf` says that it knows a type's name only
        raise _unreadable(header, tensor) from None
    return np.ascontiguousarray(values.reshape(tensor.shape[::-1]), dtype=np.float32)


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
