"""Writes small GGUF files for tests, sound ones and broken ones."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

U32, F32, BOOL, STRING, ARRAY, U64 = 4, 6, 7, 8, 9, 10


def text(value: str | bytes) -> bytes:
    """A GGUF string."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def u32(value: int) -> bytes:
    """A typed 32-bit value."""
    return struct.pack("<II", U32, value)


def string(value: str) -> bytes:
    """A typed string value."""
    return struct.pack("<I", STRING) + text(value)


def boolean(value: int) -> bytes:
    """A typed truth value."""
    return struct.pack("<IB", BOOL, value)


def strings(values: Sequence[str]) -> bytes:
    """A typed array of strings."""
    return struct.pack("<IIQ", ARRAY, STRING, len(values)) + b"".join(map(text, values))


def numbers(values: Sequence[int]) -> bytes:
    """A typed array of 32-bit numbers."""
    return struct.pack(f"<IIQ{len(values)}I", ARRAY, U32, len(values), *values)


@dataclass
class Tensor:
    """One entry of the tensor list; `offset` None is the next free place."""

    name: str
    shape: tuple[int, ...] = (32,)
    type: int = 0
    offset: int | None = None
    size: int = 0


def model_keys(**more: bytes) -> dict[str, bytes]:
    """Metadata of a small sound model; `more` uses `__` for a dot."""
    keys = {
        "general.architecture": string("llama"),
        "general.name": string("Tiny"),
        "llama.block_count": u32(2),
        "llama.context_length": u32(512),
        "llama.embedding_length": u32(32),
        "llama.feed_forward_length": u32(64),
        "llama.attention.head_count": u32(4),
        "llama.attention.head_count_kv": u32(2),
        "tokenizer.ggml.tokens": strings([f"t{i}" for i in range(8)]),
        "tokenizer.ggml.token_type": numbers([3, 1, 1, 1, 1, 1, 1, 4]),
        "tokenizer.ggml.bos_token_id": u32(0),
        "tokenizer.chat_template": string("{{ messages }}"),
    }
    return keys | {key.replace("__", "."): value for key, value in more.items()}


@dataclass
class GGUF:
    """The parts of a file; change any of them, then `bytes()` or `write()`."""

    keys: Mapping[str, bytes] | Sequence[tuple[str, bytes]] = field(default_factory=model_keys)
    tensors: Sequence[Tensor] = (Tensor("token_embd.weight", (32, 8)), Tensor("blk.0.attn_q.weight", (32, 32)))
    magic: bytes = b"GGUF"
    version: int = 3
    tensor_count: int | None = None
    key_count: int | None = None
    alignment: int = 32
    data: bytes | None = None

    def bytes(self) -> bytes:
        """The file's content."""
        pairs = list(self.keys.items()) if isinstance(self.keys, Mapping) else list(self.keys)
        counts = (
            len(self.tensors) if self.tensor_count is None else self.tensor_count,
            len(pairs) if self.key_count is None else self.key_count,
        )
        head = self.magic + struct.pack("<IQQ", self.version, *counts)
        head += b"".join(text(key) + value for key, value in pairs)
        end = 0
        for tensor in self.tensors:
            offset = end if tensor.offset is None else tensor.offset
            head += text(tensor.name) + struct.pack("<I", len(tensor.shape))
            head += struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape) + struct.pack("<IQ", tensor.type, offset)
            size = tensor.size
            if not size:
                size = 4
                for extent in tensor.shape:
                    size *= extent
            end = -(-(offset + size) // self.alignment) * self.alignment
        padding = -len(head) % self.alignment
        return head + bytes(padding) + (bytes(end) if self.data is None else self.data)

    def write(self, path: Path) -> Path:
        """Write the content to `path` and return it."""
        path.write_bytes(self.bytes())
        return path
