"""Questions that are alike, by their vectors; pure, and the same for the same vectors.

Greedy stars: the question with the most others near it becomes the middle of a topic and takes them with it, and so on
until no middle has enough left. No number of topics has to be known, no seed decides, and a topic is what is near one
question: chains of small steps do not join what is far apart. Then every question that is near the mean of a topic
joins the nearest. Quadratic in time; memory for one block of rows at a time beside the neighbours' lists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEAR_BY_MEANING = 0.55
"""Cosine from which two questions are alike, for all-MiniLM-L6-v2 and embedders like it."""
NEAR_BY_WORDS = 0.30
SMALLEST = 3
"""Questions that make a topic."""
MOST_TOPICS = 20
_BLOCK = 512

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Clusters:
    """Positions of the texts in each topic, the largest topic first; within it the most typical text first."""

    topics: tuple[tuple[int, ...], ...]
    alone: tuple[int, ...]
    """Those in no topic."""
    middles: Floats
    """The mean direction of each topic, unit vectors: (topics, d)."""


def cluster(vectors: Floats, near: float) -> Clusters:
    """Group unit vectors (n, d); a vector of zeros is near nothing."""
    count = len(vectors)
    left = np.ones(count, np.bool_)
    neighbours = _neighbours(vectors, near)
    middles: list[NDArray[np.intp]] = []
    sizes = np.array([len(each) for each in neighbours], np.intp)
    while len(middles) < MOST_TOPICS and count:
        middle = _fullest(neighbours, sizes, left)
        members = neighbours[middle][left[neighbours[middle]]]
        if len(members) < SMALLEST:
            break
        middles.append(members)
        left[members] = False
    if not middles:
        return Clusters((), tuple(range(count)), vectors[:0])
    return _settled(vectors, [vectors[members].mean(axis=0) for members in middles], near)


def _neighbours(vectors: Floats, near: float) -> list[NDArray[np.intp]]:
    """Of each vector, the positions of those near it, itself included."""
    found: list[NDArray[np.intp]] = []
    for start in range(0, len(vectors), _BLOCK):
        found += [np.flatnonzero(row >= near) for row in vectors[start : start + _BLOCK] @ vectors.T]
    return found


def _fullest(neighbours: list[NDArray[np.intp]], sizes: NDArray[np.intp], left: NDArray[np.bool_]) -> int:
    """The vector with the most free ones near it; `sizes` are what was known, and never too small."""
    while True:
        at = int(sizes.argmax())
        now = int(left[neighbours[at]].sum())
        if now == sizes[at]:
            return at
        sizes[at] = now


def place(vectors: Floats, middles: Floats, near: float) -> list[int | None]:
    """The topic each vector belongs to: whose middle is nearest, if that is near; None: to no topic."""
    if not len(middles):
        return [None] * len(vectors)
    cosines = vectors @ middles.T
    return [int(at) if height >= near else None for at, height in zip(cosines.argmax(1), cosines.max(1), strict=True)]


def _settled(vectors: Floats, means: list[Floats], near: float) -> Clusters:
    """Every vector in the topic whose mean is nearest, if that is near; topics that lost too many are none."""
    middles = np.stack(means)
    middles /= np.maximum(np.linalg.norm(middles, axis=1, keepdims=True), 1e-9)
    places = place(vectors, middles, near)
    members = [[at for at, topic in enumerate(places) if topic == each] for each in range(len(middles))]
    kept = sorted((t for t in range(len(middles)) if len(members[t]) >= SMALLEST), key=lambda t: (-len(members[t]), t))
    typical = [_nearest_first(members[topic], vectors, middles[topic]) for topic in kept]
    placed = {at for topic in typical for at in topic}
    alone = tuple(at for at in range(len(vectors)) if at not in placed)
    return Clusters(tuple(map(tuple, typical)), alone, middles[kept])


def _nearest_first(members: list[int], vectors: Floats, middle: Floats) -> list[int]:
    heights = vectors[members] @ middle
    return [members[at] for at in np.argsort(-heights, kind="stable")]
