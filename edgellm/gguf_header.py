"""Strict reader of GGUF headers: every count, length and extent is checked before it is believed.

Pure Python, no memory map and bounded memory, so that a face can read a file nobody has vouched for: the only exception
that leaves this module is `ModelRejected`. Long arrays (token lists) are walked and checked but not kept;
`GGUFHeader.items` streams them on demand.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgellm.gguf_bytes import ARRAY, INLINE_ITEMS, ITEM_COST_BYTES, LongArray, Reader, Scalar, opened

MAX_KEYS = 4_096
MAX_TENSORS = 65_536
MAX_NAME_BYTES = 1_024
MAX_TENSOR_NAME_BYTES = 63
MAX_ARRAY_ITEMS = 4 * 1024**2
MAX_DIMENSIONS = 4
MAX_ALIGNMENT = 64 * 1024

Value = Scalar | tuple[Scalar, ...] | LongArray


@dataclass(frozen=True, slots=True)
class TensorType:
    """How ggml stores one kind of number."""

    name: str
    block_items: int
    block_bytes: int


TENSOR_TYPES: Mapping[int, TensorType] = {
    number: TensorType(name, items, size)
    for number, name, items, size in (
        (0, "F32", 1, 4), (1, "F16", 1, 2), (2, "Q4_0", 32, 18), (3, "Q4_1", 32, 20), (6, "Q5_0", 32, 22),
        (7, "Q5_1", 32, 24), (8, "Q8_0", 32, 34), (9, "Q8_1", 32, 36), (10, "Q2_K", 256, 84), (11, "Q3_K", 256, 110),
        (12, "Q4_K", 256, 144), (13, "Q5_K", 256, 176), (14, "Q6_K", 256, 210), (15, "Q8_K", 256, 292),
        (16, "IQ2_XXS", 256, 66), (17, "IQ2_XS", 256, 74), (18, "IQ3_XXS", 256, 98), (19, "IQ1_S", 256, 50),
        (20, "IQ4_NL", 32, 18), (21, "IQ3_S", 256, 110), (22, "IQ2_S", 256, 82), (23, "IQ4_XS", 256, 136),
        (24, "I8", 1, 1), (25, "I16", 1, 2), (26, "I32", 1, 4), (27, "I64", 1, 8), (28, "F64", 1, 8),
        (29, "IQ1_M", 256, 56), (30, "BF16", 1, 2), (34, "TQ1_0", 256, 54), (35, "TQ2_0", 256, 66),
        (39, "MXFP4", 32, 17), (40, "NVFP4", 64, 36), (41, "Q1_0", 128, 18), (42, "Q2_0", 64, 18),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where one tensor lies."""

    name: str
    shape: tuple[int, ...]
    """Fastest-varying dimension first, as GGUF writes it."""
    type: TensorType
    offset: int
    """Bytes from the start of the file."""
    size_bytes: int

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class GGUFHeader:
    """A header whose every extent lies inside the file."""

    path: Path
    version: int
    file_bytes: int
    alignment: int
    data_offset: int
    metadata: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...]

    @property
    def architecture(self) -> str:
        """`general.architecture`, or an empty text."""
        return self.text("general.architecture") or ""

    @property
    def weights_bytes(self) -> int:
        """Size of all tensors together, without padding."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(tensor.count for tensor in self.tensors)

    def text(self, key: str) -> str | None:
        """The text under `key`; None when it is absent or no text."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def integer(self, key: str) -> int | None:
        """The whole number under `key`; None when it is absent or something else."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def count(self, key: str) -> int:
        """How many items the array under `key` has; 0 when it is absent or no array."""
        value = self.metadata.get(key)
        if isinstance(value, LongArray):
            return value.count
        return len(value) if isinstance(value, tuple) else 0

    def items(self, key: str) -> Iterator[Scalar]:
        """The items of the array under `key`, one at a time; nothing when it is absent or no array.

        Raises: ModelRejected when the file changed since its header was read.
        """
        value = self.metadata.get(key)
        if isinstance(value, tuple):
            yield from value
        elif isinstance(value, LongArray):
            with opened(self.path) as reader:
                reader.seek(value.offset, f"array {key!r}")
                yield from reader.scalars(value.type, value.count, f"array {key!r}")

    def special_tokens(self) -> dict[int, str]:
        """Texts of the control and user-defined tokens by id, read without keeping the vocabulary."""
        kinds = self.items("tokenizer.ggml.token_type")
        special = {index for index, kind in enumerate(kinds) if kind in (3, 4)}
        texts = enumerate(self.items("tokenizer.ggml.tokens"))
        return {index: str(text) for index, text in texts if index in special}


def read_header(path: Path) -> GGUFHeader:
    """Read and check the header of a GGUF file.

    Accepts versions 2 and 3, little-endian. Raises: ModelRejected, naming the path, the reason and the byte.
    """
    with opened(path) as reader:
        version, tensor_count, key_count = _read_counts(reader)
        metadata = _read_metadata(reader, key_count)
        alignment = _alignment(reader, metadata)
        listed = _read_tensors(reader, tensor_count)
        data_offset = -(-reader.position // alignment) * alignment
        tensors = tuple(_place(reader, listed, data_offset, alignment))
        return GGUFHeader(reader.path, version, reader.file_bytes, alignment, data_offset, metadata, tensors)


def raw_metadata(path: Path) -> dict[str, bytes]:
    """Every value of a file's metadata as its bytes, type in front, in the order of the file; for `gguf_write`.

    Raises: ModelRejected as `read_header` does.
    """
    with opened(path) as reader:
        count = _read_counts(reader)[2]
        raw: dict[str, bytes] = {}
        for key in _read_keys(reader, count):
            start = reader.position
            _read_value(reader, key)
            size = reader.position - start
            reader.seek(start, f"key {key!r}")
            raw[key] = reader.take(size, f"key {key!r}")
        return raw


def _read_counts(reader: Reader) -> tuple[int, int, int]:
    magic = reader.take(4, "the magic number")
    if magic != b"GGUF":
        reader.reject(f"the file starts with {magic!r}, not with b'GGUF'", 0)
    version = reader.u32("the version")
    if version and version & 0xFFFF == 0:
        reader.reject("the file is big-endian; only little-endian GGUF is supported", 4)
    if version not in (2, 3):
        reader.reject(f"GGUF version {version} is not supported (2 and 3 are)", 4)
    tensors = reader.limited(reader.u64("the tensor count"), MAX_TENSORS, "the tensor count")
    keys = reader.limited(reader.u64("the key count"), MAX_KEYS, "the key count")
    return version, tensors, keys


def _read_metadata(reader: Reader, count: int) -> dict[str, Value]:
    return {key: _read_value(reader, key) for key in _read_keys(reader, count)}


def _read_keys(reader: Reader, count: int) -> Iterator[str]:
    """The names of `count` keys; who takes one reads its value before the next."""
    seen: set[str] = set()
    for index in range(count):
        start = reader.position
        key = reader.text(f"the name of key {index}", MAX_NAME_BYTES)
        if not key or not key.isprintable():
            reader.reject(f"the name of key {index} is empty or not printable", start)
        if key in seen:
            reader.reject(f"key {key!r} appears twice", start)
        seen.add(key)
        yield key


def _read_value(reader: Reader, key: str) -> Value:
    what = f"key {key!r}"
    kind = reader.u32(what)
    if kind != ARRAY:
        start = reader.position
        value = next(reader.scalars(kind, 1, what))
        reader.kept(reader.position - start)
        return value
    kind, count = reader.u32(what), reader.limited(reader.u64(what), MAX_ARRAY_ITEMS, f"the length of {what}")
    reader.walked(count)
    array = LongArray(kind, count, reader.position)
    reader.skip_array(array, what)
    if count > INLINE_ITEMS:
        return array
    reader.kept(reader.position - array.offset + count * ITEM_COST_BYTES)
    reader.seek(array.offset, what)
    return tuple(reader.scalars(kind, count, what))


def _alignment(reader: Reader, metadata: Mapping[str, Value]) -> int:
    found = metadata.get("general.alignment", 32)
    if not isinstance(found, int) or isinstance(found, bool):
        reader.reject(f"general.alignment is {found!r}, not a whole number")
    if not 1 <= found <= MAX_ALIGNMENT or found & (found - 1):
        reader.reject(f"general.alignment is {found}, not a power of two up to {MAX_ALIGNMENT}")
    return found


def _read_tensors(reader: Reader, count: int) -> list[TensorInfo]:
    """Tensors as listed; their offsets still count from the start of the data."""
    tensors: list[TensorInfo] = []
    names: set[str] = set()
    for index in range(count):
        start = reader.position
        tensor = _read_tensor(reader, index)
        if tensor.name in names:
            reader.reject(f"tensor {tensor.name!r} appears twice", start)
        names.add(tensor.name)
        tensors.append(tensor)
    return tensors


def _read_tensor(reader: Reader, index: int) -> TensorInfo:
    start = reader.position
    name = reader.text(f"the name of tensor {index}", MAX_TENSOR_NAME_BYTES)
    if not name or not name.isprintable():
        reader.reject(f"the name of tensor {index} is empty or not printable", start)
    what = f"tensor {name!r}"
    dimensions = reader.limited(reader.u32(f"the rank of {what}"), MAX_DIMENSIONS, f"the rank of {what}")
    shape = tuple(reader.u64(f"the shape of {what}") for _ in range(dimensions))
    kind = TENSOR_TYPES.get(number := reader.u32(f"the type of {what}"))
    if kind is None:
        reader.reject(f"{what} has the unknown type {number}", reader.position - 4)
    if not shape or 0 in shape or math.prod(shape) >= 2**63:
        reader.reject(f"{what} has the impossible shape {list(shape)}", start)
    if shape[0] % kind.block_items:
        reader.reject(f"{what} has rows of {shape[0]}, not a multiple of {kind.block_items} ({kind.name})", start)
    size = math.prod(shape) // kind.block_items * kind.block_bytes
    return TensorInfo(name, shape, kind, reader.u64(f"the offset of {what}"), size)


def _place(reader: Reader, listed: list[TensorInfo], data_offset: int, alignment: int) -> Iterator[TensorInfo]:
    """Tensors with absolute offsets; aligned, inside the file and apart from each other."""
    end, previous = 0, ""
    for tensor in sorted(listed, key=lambda tensor: tensor.offset):
        start = data_offset + tensor.offset
        if tensor.offset % alignment:
            reader.reject(f"tensor {tensor.name!r} is not aligned to {alignment} bytes", start)
        if start + tensor.size_bytes > reader.file_bytes:
            reader.reject(
                f"tensor {tensor.name!r} ends at byte {start + tensor.size_bytes}, but the file has "
                f"{reader.file_bytes}; it is truncated or damaged",
                start,
            )
        if tensor.offset < end:
            reader.reject(f"tensor {tensor.name!r} overlaps tensor {previous!r}", start)
        end, previous = tensor.offset + tensor.size_bytes, tensor.name
        yield TensorInfo(tensor.name, tensor.shape, tensor.type, start, tensor.size_bytes)
