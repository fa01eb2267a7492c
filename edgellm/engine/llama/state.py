"""Saved sequences: llama.cpp's KV state in a frame that says whose it is and whether it is whole."""

from __future__ import annotations

import ctypes
import struct
import zlib
from typing import Any

import numpy as np

from edgellm.engine.backend import OutOfCells
from edgellm.engine.llama.library import lib
from edgellm.errors import EngineError, InvalidInput

_FRAME = struct.Struct("<4s16sIIQ")  # magic, fingerprint, positions, CRC-32 of the payload, payload bytes
_MAGIC = b"EKV1"


def save(context: Any, sequence: int, positions: int, fingerprint: bytes) -> bytes:
    """The state of `sequence`, which holds `positions` positions; `fingerprint` is 16 bytes."""
    size = lib.llama_state_seq_get_size(context, sequence)
    framed = bytearray(_FRAME.size + size)
    payload = (ctypes.c_uint8 * size).from_buffer(framed, _FRAME.size)
    if lib.llama_state_seq_get_data(context, payload, size, sequence) != size:
        raise EngineError(f"llama.cpp did not save sequence {sequence} ({size} bytes).")
    checksum = zlib.crc32(memoryview(framed)[_FRAME.size :])
    _FRAME.pack_into(framed, 0, _MAGIC, fingerprint, positions, checksum, size)
    return bytes(framed)


def restore(context: Any, sequence: int, state: bytes, fingerprint: bytes, window: int) -> int:
    """Fill the empty `sequence`. `window`: tokens of a sliding-window model's attention, 0 for others.

    Returns: the positions it holds.
    Raises: InvalidInput for a damaged state or another model's; OutOfCells, with nothing changed.
    """
    positions = _checked(state, fingerprint)
    if 0 < window < positions:  # llama.cpp leaves out what the window has passed, so it could not be cut back exactly
        raise _unusable(f"its {positions} positions are more than the model's sliding window of {window}")
    address = np.frombuffer(state, np.uint8).ctypes.data + _FRAME.size
    size = len(state) - _FRAME.size
    source = ctypes.cast(address, ctypes.POINTER(ctypes.c_uint8))
    memory = lib.llama_get_memory(context)
    if lib.llama_state_seq_set_data(context, source, size, sequence) != size:
        lib.llama_memory_seq_rm(memory, sequence, -1, -1)
        raise OutOfCells(f"No room for a saved sequence of {positions} positions.", positions=positions)
    if lib.llama_memory_seq_pos_max(memory, sequence) != positions - 1:
        lib.llama_memory_seq_rm(memory, sequence, -1, -1)
        raise _unusable("its positions are not the ones it promises")
    return positions


def _checked(state: bytes, fingerprint: bytes) -> int:
    if len(state) < _FRAME.size:
        raise _unusable(f"it has only {len(state)} bytes")
    magic, whose, positions, checksum, size = _FRAME.unpack_from(state)
    if magic != _MAGIC:
        raise _unusable(f"it begins with {magic!r}")
    if whose != fingerprint:
        raise _unusable("it belongs to another model, KV type or llama.cpp version")
    if size != len(state) - _FRAME.size:
        raise _unusable(f"it should have {size} bytes after its header and has {len(state) - _FRAME.size}")
    if zlib.crc32(memoryview(state)[_FRAME.size :]) != checksum:
        raise _unusable("its checksum is wrong")
    return int(positions)


def _unusable(reason: str) -> InvalidInput:
    return InvalidInput(f"The saved state cannot be used: {reason}.", field="state", reason=reason)
