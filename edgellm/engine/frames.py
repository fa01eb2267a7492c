"""Length-prefixed MessagePack frames, fed with bytes and free of I/O."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

from edgellm.decoding import msgpack_decoder
from edgellm.errors import EngineError

FRAME_LIMIT_BYTES = 64 * 1024**2
READ_BYTES = 256 * 1024
"""How much a reader asks the kernel for at a time."""

_PREFIX = struct.Struct(">I")
_encoder = msgspec.msgpack.Encoder()

M = TypeVar("M")


class WireError(EngineError):
    """The bytes on a channel between two processes are not the agreed protocol."""


def pack(message: object) -> bytes:
    """One message as a frame: four bytes of big-endian length, then MessagePack.

    Raises: WireError when the message is larger than a frame may be.
    """
    body = _encoder.encode(message)
    if len(body) > FRAME_LIMIT_BYTES:
        raise WireError(
            f"A message of {len(body)} bytes is over the limit of {FRAME_LIMIT_BYTES}.",
            hint="Send less text at a time.",
        )
    return _PREFIX.pack(len(body)) + body


class Frames(Generic[M]):
    """Turns a byte stream, cut anywhere, back into messages of one type (or union of tagged types)."""

    def __init__(self, kind: Any) -> None:
        self._decode = msgpack_decoder(kind).decode
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[M]:
        """Every message completed by `data`. Raises: WireError, after which the stream cannot go on."""
        self._buffer += data
        while len(self._buffer) >= _PREFIX.size:
            (length,) = _PREFIX.unpack_from(self._buffer)
            if length > FRAME_LIMIT_BYTES:
                raise WireError(f"A frame announces {length} bytes; the limit is {FRAME_LIMIT_BYTES}.")
            end = _PREFIX.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_PREFIX.size : end])
            del self._buffer[:end]
            yield self._message(body)

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not complete yet; not 0 at the end of a stream means it was cut."""
        return len(self._buffer)

    def _message(self, body: bytes) -> M:
        try:
            message: M = self._decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise WireError(f"A frame of {len(body)} bytes holds no known message: {error}") from error
        return message
