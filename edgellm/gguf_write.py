"""Writes GGUF files: metadata as values or as the raw bytes of another file, tensors one at a time, atomically.

Format (version 3, little-endian): https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import errno
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from edgellm.disk_space import check_space
from edgellm.errors import DiskFull, InvalidInput
from edgellm.gguf_bytes import ARRAY, STRING, opened
from edgellm.gguf_header import (
    MAX_DIMENSIONS,
    MAX_TENSOR_NAME_BYTES,
    TENSOR_TYPES,
    GGUFHeader,
    TensorInfo,
    TensorType,
)
from edgellm.paths import replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

U32, I32, F32, BOOL, U64, I64 = 4, 5, 6, 7, 10, 11
"""Numbers of GGUF's value types, for `encoded`."""
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", 12: "d"}
_PIECE_BYTES = 1024**2
_DEFAULT_ALIGNMENT = 32

Plain = bool | int | float | str
Value = Plain | Sequence[Plain] | bytes
"""A plain value, or its bytes with the GGUF type in front (`encoded`, `raw_metadata`)."""
Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class NewTensor:
    """A tensor to be written."""

    name: str
    shape: tuple[int, ...]
    """Fastest-varying dimension first, as GGUF writes it: the reverse of numpy's."""
    type: str
    """ggml's name of the type: F32, F16, Q8_0 ..."""
    pieces: Callable[[], Iterable[Buffer]]
    """Called once, when the tensor's turn has come; all pieces together are its content."""

    @property
    def kind(self) -> TensorType:
        """How its numbers are stored. Raises: InvalidInput for an unknown type."""
        return TENSOR_TYPES[self.number]

    @property
    def number(self) -> int:
        """GGUF's number of the type. Raises: InvalidInput."""
        for number, kind in TENSOR_TYPES.items():
            if kind.name == self.type:
                return number
        raise InvalidInput(f"Tensor {self.name!r} has the unknown type {self.type!r}.", field="type", value=self.type)

    @property
    def size_bytes(self) -> int:
        """Size without padding."""
        return math.prod(self.shape) // self.kind.block_items * self.kind.block_bytes


def of_array(name: str, values: NDArray[Any]) -> NewTensor:
    """A tensor of a numpy array (slowest-varying dimension first) of float32, float16, float64 or whole numbers."""
    kind = {"f4": "F32", "f2": "F16", "f8": "F64", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64"}.get(
        f"{values.dtype.kind}{values.dtype.itemsize}"
    )
    if kind is None:
        raise InvalidInput(f"Tensor {name!r} has the type {str(values.dtype)!r}, which GGUF has not.", field="type")

    def pieces() -> Iterator[Buffer]:
        import numpy as np

        little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
        yield little.reshape(-1).data.cast("B")

    return NewTensor(name, values.shape[::-1], kind, pieces)


def copied(header: GGUFHeader, tensor: TensorInfo) -> NewTensor:
    """A tensor of another file, as it lies there."""

    def pieces() -> Iterator[Buffer]:
        with opened(header.path) as reader:
            reader.seek(tensor.offset, f"tensor {tensor.name!r}")
            for start in range(0, tensor.size_bytes, _PIECE_BYTES):
                yield reader.take(min(_PIECE_BYTES, tensor.size_bytes - start), f"tensor {tensor.name!r}")

    return NewTensor(tensor.name, tensor.shape, tensor.type.name, pieces)


def write_gguf(path: Path, metadata: Mapping[str, Value], tensors: Iterable[NewTensor]) -> None:
    """Write a file that appears complete or not at all; keys and tensors in the order in which they are given.

    Metadata of another file, with some keys changed: `raw_metadata(base) | {"general.name": "Mine"}`.
    Raises: InvalidInput for a value, name or shape that GGUF cannot hold, or content of the wrong size; DiskFull,
    mostly before anything is written; what `pieces` raises.
    """
    listed = list(tensors)
    _check(listed)
    alignment = _alignment(metadata)
    head = _head(metadata, listed, alignment)
    check_space(path.parent, len(head) + sum(_padded(tensor.size_bytes, alignment) for tensor in listed))
    try:
        with replacing(path) as file:
            file.write(head)
            for tensor in listed:
                _write_content(file, tensor, alignment)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"The disk is full; {str(path)!r} was not written.", hint="Free some space and try again.", path=str(path)
        ) from error


def encoded(value: Plain | Sequence[Plain], kind: int | None = None) -> bytes:
    """A value with its GGUF type in front: text, truth value, number, or an array of one of them.

    Args:
        value: an empty array needs `kind`.
        kind: GGUF's number of the (items') type; None: texts, truth values, float32, and for whole numbers the first of
            uint32, int32, uint64, int64 that holds them all; arrays of whole numbers begin with int32, as llama.cpp's
            vocabulary expects.

    Raises: InvalidInput when the type cannot hold the value.
    """
    if isinstance(value, bool | int | float | str):
        chosen = _kind_of([value], (U32, I32, U64, I64)) if kind is None else kind
        return struct.pack("<I", chosen) + _content([value], chosen)
    items = list(value)
    chosen = _kind_of(items, (I32, U32, I64, U64)) if kind is None else kind
    return struct.pack("<IIQ", ARRAY, chosen, len(items)) + _content(items, chosen)


def _kind_of(items: list[Plain], whole: tuple[int, ...]) -> int:
    types = {type(item) for item in items}
    if types == {str}:
        return STRING
    if types == {bool}:
        return BOOL
    if types in ({float}, {float, int}):
        return F32
    if types == {int}:
        for kind in whole:
            if all(_fits(int(item), kind) for item in items):
                return kind
    raise _unwritable(items)


def _fits(item: int, kind: int) -> bool:
    bits: int = 8 * struct.calcsize("<" + _FORMATS[kind])
    least = 0 if _FORMATS[kind].isupper() else -(2 ** (bits - 1))
    return bool(least <= item < least + 2**bits)


def _content(items: list[Plain], kind: int) -> bytes:
    if kind == STRING and all(isinstance(item, str) for item in items):
        return b"".join(_text(str(item)) for item in items)
    try:
        return struct.pack(f"<{len(items)}{_FORMATS[kind]}", *items)
    except (KeyError, OverflowError, struct.error):
        raise _unwritable(items) from None


def _unwritable(items: list[Plain]) -> InvalidInput:
    return InvalidInput(f"{str(items)[:80]!r} cannot be one value of a GGUF file.", field="metadata")


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _alignment(metadata: Mapping[str, Value]) -> int:
    found = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if isinstance(found, bytes):
        found = int.from_bytes(found[4:], "little")
    if not isinstance(found, int) or found < 1 or found & (found - 1):
        raise InvalidInput(f"general.alignment is {found!r}, not a power of two.", field="metadata")
    return found


def _check(tensors: list[NewTensor]) -> None:
    names: set[str] = set()
    for tensor in tensors:
        if tensor.name in names or not 0 < len(tensor.name.encode()) <= MAX_TENSOR_NAME_BYTES:
            raise InvalidInput(
                f"The name of tensor {tensor.name!r} is taken, empty or longer than {MAX_TENSOR_NAME_BYTES} bytes.",
                field="tensors",
            )
        names.add(tensor.name)
        rank_is_known = 0 < len(tensor.shape) <= MAX_DIMENSIONS
        if not rank_is_known or min(tensor.shape) < 1 or tensor.shape[0] % tensor.kind.block_items:
            raise InvalidInput(
                f"Tensor {tensor.name!r} cannot have the shape {list(tensor.shape)} in the type {tensor.type}.",
                field="tensors",
            )


def _head(metadata: Mapping[str, Value], tensors: list[NewTensor], alignment: int) -> bytes:
    """Everything before the tensors' content."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    keys = (_text(key) + (value if isinstance(value, bytes) else encoded(value)) for key, value in metadata.items())
    listed, offset = [], 0
    for tensor in tensors:
        dimensions = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        listed.append(_text(tensor.name) + dimensions + struct.pack("<IQ", tensor.number, offset))
        offset += _padded(tensor.size_bytes, alignment)
    head = b"".join(chain([head], keys, listed))
    return head.ljust(_padded(len(head), alignment), b"\0")


def _write_content(file: BinaryIO, tensor: NewTensor, alignment: int) -> None:
    written = 0
    for piece in tensor.pieces():
        written += file.write(piece)
    if written != tensor.size_bytes:
        raise InvalidInput(
            f"Tensor {tensor.name!r} came with {written} bytes; its shape and type need {tensor.size_bytes}.",
            field="tensors",
        )
    file.write(bytes(_padded(written, alignment) - written))


def _padded(size_bytes: int, alignment: int) -> int:
    return -(-size_bytes // alignment) * alignment
