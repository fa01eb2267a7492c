"""Strict reader of safetensors files: every extent is checked before numpy maps anything.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from edgellm.decoding import from_json
from edgellm.export.convert.refusal import refuse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_HEADER_BYTES = 16 * 1024**2
MAX_TENSORS = 65_536
MAX_RANK = 8

ITEM_BYTES: Mapping[str, int] = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip
"""Types that may stand in a file. Only floats of 16 and 32 bits, and MLX's packed U32, are read."""
_READ_AS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "U32": "<u4"}


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one tensor lies."""

    path: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    """Slowest-varying dimension first, as in numpy."""
    offset: int
    """Bytes from the start of the file."""

    @property
    def size_bytes(self) -> int:
        """Bytes in the file."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]

    def numbers(self) -> NDArray[Any]:
        """A read-only memory map of the tensor: float32, float16, uint32, or uint16 for bfloat16.

        Raises: ModelRejected for a type that holds no weights, or when the file changed.
        """
        import numpy as np

        if self.dtype not in _READ_AS:
            refuse(self.path, f"tensor {self.name!r} has the type {self.dtype!r}; F32, F16 and BF16 are read")
        with regular_file(self.path) as file:
            if os.fstat(file.fileno()).st_size < self.offset + self.size_bytes:
                refuse(self.path, "the file became shorter while it was read")
            return np.memmap(file, dtype=_READ_AS[self.dtype], mode="r", offset=self.offset, shape=self.shape)

    def rows(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Rows `start` to `stop` as float32. Raises: ModelRejected."""
        import numpy as np

        piece = self.numbers()[start:stop]
        if self.dtype == "BF16":
            return (piece.astype(np.uint32) << 16).view(np.float32)
        return np.asarray(piece, dtype=np.float32)


@contextmanager
def regular_file(path: Path) -> Iterator[BinaryIO]:
    """The file, opened for reading. Raises: ModelRejected for links, devices and what cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            refuse(path, "it is a symbolic link", "Copy the folder with its links resolved: cp -rL FOLDER COPY")
        refuse(path, f"it cannot be read: {error.strerror}")
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            refuse(path, "it is not a regular file")
        yield file


def read_entries(path: Path) -> dict[str, Entry]:
    """The tensors of one file by name.

    Raises: ModelRejected when the header is too long, no JSON, or names an extent that is impossible, outside
    the file or shared with another tensor.
    """
    with regular_file(path) as file:
        file_bytes = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if file_bytes < 8 or not 2 <= length <= min(file_bytes - 8, MAX_HEADER_BYTES):
            refuse(path, f"its header has {length} bytes; the file has {file_bytes}, the limit is {MAX_HEADER_BYTES}")
        listed = _parsed(path, file.read(length))
    if len(listed) > MAX_TENSORS:
        refuse(path, f"it lists {len(listed)} tensors, over the limit of {MAX_TENSORS}")
    start = 8 + length
    entries = {name: _entry(path, name, found, start) for name, found in listed.items()}
    _check_extents(path, entries, start, file_bytes)
    return entries


def _parsed(path: Path, header: bytes) -> dict[str, Any]:
    try:
        listed = from_json(header, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        refuse(path, f"its header is not the JSON of a safetensors file: {error}")
    listed.pop("__metadata__", None)
    return listed


def _entry(path: Path, name: str, found: Any, start: int) -> Entry:
    if not isinstance(found, dict) or set(found) != {"dtype", "shape", "data_offsets"}:
        refuse(path, f"the entry of tensor {name!r} is not a type, a shape and two offsets")
    dtype, shape, offsets = found["dtype"], found["shape"], found["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        refuse(path, f"tensor {name!r} has the unknown type {dtype!r}")
    if not _are_sizes(shape) or len(shape) > MAX_RANK or math.prod(shape) >= 2**63:
        refuse(path, f"tensor {name!r} has the impossible shape {str(shape)[:80]}")
    if not _are_sizes(offsets) or len(offsets) != 2:
        refuse(path, f"tensor {name!r} has the impossible offsets {str(offsets)[:80]}")
    entry = Entry(path, name, dtype, tuple(shape), start + offsets[0])
    if offsets[1] - offsets[0] != entry.size_bytes:
        refuse(path, f"tensor {name!r} has {offsets[1] - offsets[0]} bytes; its shape needs {entry.size_bytes}")
    return entry


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _check_extents(path: Path, entries: Mapping[str, Entry], start: int, file_bytes: int) -> None:
    """The tensors lie one after the other and fill the file, as the format demands."""
    end = start
    for entry in sorted(entries.values(), key=lambda entry: (entry.offset, entry.size_bytes)):
        if entry.offset != end:
            what = "overlaps another tensor" if entry.offset < end else "leaves a gap before it"
            refuse(path, f"tensor {entry.name!r} {what} (byte {entry.offset})")
        end += entry.size_bytes
    if end != file_bytes:
        refuse(path, f"its tensors end at byte {end}, but the file has {file_bytes}")
