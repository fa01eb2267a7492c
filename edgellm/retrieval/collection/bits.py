"""The signs of a vector, one bit a dimension: what is compared first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Words = NDArray[np.uint64]


def word_count(dimensions: int) -> int:
    """64-bit words that hold the signs of one vector."""
    return -(-dimensions // 64)


def signs(vectors: Floats) -> Words:
    """Sign bits of (n, d) vectors, the last word filled up with zeros. Returns: (n, ceil(d / 64))."""
    packed = np.packbits(vectors > 0, axis=1)
    filled = np.zeros((len(packed), word_count(vectors.shape[1]) * 8), np.uint8)
    filled[:, : packed.shape[1]] = packed
    return filled.view("<u8").astype(np.uint64, copy=False)
