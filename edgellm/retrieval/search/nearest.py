"""The passages nearest to a question: all signs compared in memory, the best rescored with their float vectors.

Binary quantisation in three steps, each for fewer passages: signs with signs (Hamming distance), signs with the
question's floats, floats with floats.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgellm.retrieval.collection.bits import Floats, Words, signs
from edgellm.retrieval.collection.checks import checked_vectors
from edgellm.retrieval.collection.collection import View

BY_FLOATS, BY_SIGNS = 3, 8
"""Passages of the third step for each one of the list, and of the second for each one of the third."""
SMALL, GROWTH = 10_000, 0.4
"""In a collection larger than this, more passages lie between the signs of the ten nearest: both steps grow with this
power of the size. With vectors of all-MiniLM-L6-v2 and a list of 50, of the exact ten are found 0.998 among 10,000,
0.993 among 100,000 and 0.992 among a million passages (`python -m benchmarks.retrieval --million`); without growth
0.983 and 0.93."""
MOST_BY_FLOATS = 10_000
"""Up to so many the third step grows: a list of 1,000 among a million would read a tenth of all vectors."""
BLOCK = 32_768
"""Vectors compared at a time; their signs and distances stay in the processor's cache."""
BITS: Floats = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32)
"""The signs that each byte stands for: (256, 8)."""
Scored = list[tuple[int, float]]
"""Passages with their scores, best first."""


def nearest(view: View, vector: Floats, depth: int, files: frozenset[int] | None) -> Scored:
    """At most `depth` passages of these files (None: of all), with their cosines. Raises: InvalidInput."""
    question = checked_question(view, vector)
    allowed = None if files is None else view.mirror.members(files)
    signs_of_all = view.mirror.signs
    floats = rescored(depth, signs_of_all.shape[1])
    near = closest(hamming(signs_of_all, signs(question[None])[0]), BY_SIGNS * floats, allowed)
    products = sign_products(signs_of_all, near, question)
    positions = near[np.argsort(-products, kind="stable")[:floats]]
    similarities = cosines(view, view.mirror.chunk_ids(positions).tolist(), question)
    return sorted(similarities.items(), key=lambda found: (-found[1], found[0]))[:depth]


def rescored(depth: int, count: int) -> int:
    """How many passages of `count` are compared by their floats for a list of `depth`."""
    grown: float = max(1.0, count / SMALL) ** GROWTH
    return max(BY_FLOATS * depth, min(MOST_BY_FLOATS, math.ceil(BY_FLOATS * depth * grown)))


def checked_question(view: View, vector: Floats) -> Floats:
    """The question's vector, float32 (d,). Raises: InvalidInput when it cannot be compared with the collection's."""
    rows: Floats = np.asarray(vector, np.float32)[None]
    checked: Floats = checked_vectors(rows, 1, view.space.identity.dimensions)[0]
    return checked


def cosines(view: View, chunks: Sequence[int], question: Floats) -> dict[int, float]:
    """Cosine of each passage's vector with the question's, computed by sqlite-vec where the vectors are.

    Both have unit length, so that the cosine is 1 - d^2 / 2; its kernel for the distance d has SIMD, that for the
    cosine has not.
    """
    read = (
        f"SELECT chunk, vec_distance_l2(vector, ?) FROM json_each(?) CROSS JOIN {view.space.vectors} ON chunk = value"
    )
    rows = view.execute(read, (question.astype("<f4", copy=False).tobytes(), json.dumps(sorted(chunks))))
    return {chunk: 1 - distance**2 / 2 for chunk, distance in rows}


def hamming(kept: Words, question: Words) -> NDArray[np.uint16]:
    """How many signs differ from the question's. `kept`: (words, n), `question`: (words,). Returns: (n,)."""
    count = kept.shape[1]
    distances = np.zeros(count, np.uint16)
    different, ones = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint8)
    for start in range(0, count, BLOCK):
        block = distances[start : start + BLOCK]
        size = len(block)
        for row, word in zip(kept[:, start : start + BLOCK], question, strict=True):
            np.bitwise_xor(row, word, out=different[:size])
            np.bitwise_count(different[:size], out=ones[:size])
            np.add(block, ones[:size], out=block)
    return distances


def sign_products(kept: Words, positions: NDArray[np.intp], question: Floats) -> Floats:
    """Dot products of the question with vectors of +1 and -1 in place of signs, but for a constant factor and summand.

    `kept`: (words, n), `positions`: (m,) of the n, `question`: (d,). Returns: (m,). What each byte of signs
    adds is looked up: 30 times faster on a busy machine than unpacking the signs for a matrix product, which waits for
    a second thread.
    """
    count = 8 * len(kept)
    padded = np.zeros(8 * count, np.float32)
    padded[: len(question)] = question
    sums = np.ascontiguousarray((BITS @ padded.reshape(count, 8).T).T)  # (bytes, 256)
    tables, found = sums.ravel(), np.empty(len(positions), np.float32)
    for start in range(0, len(positions), BLOCK):  # any number of passages can be equally near: copies of one page
        block = kept[:, positions[start : start + BLOCK]]
        packed = np.ascontiguousarray(block.T).astype("<u8", copy=False).view(np.uint8)
        found[start : start + BLOCK] = tables.take(packed + np.arange(0, count * 256, 256)).sum(axis=1)
    return found


def closest(distances: NDArray[np.uint16], count: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.intp]:
    """Positions of the `count` smallest distances, and of all that equal the last of them."""
    if allowed is not None:
        places = np.flatnonzero(allowed)
        return places[closest(distances[places], count, None)]
    if len(distances) <= count:
        return np.arange(len(distances))
    up_to = np.cumsum(np.bincount(distances))
    return np.flatnonzero(distances <= np.searchsorted(up_to, count))
