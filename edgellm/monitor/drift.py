"""Whether questions moved away from what a model knows; pure.

Each question has a distance: 1 less the cosine with the nearest text of the reference. The mean of the period is
compared with that of the period before by a permutation test over conversations, whose questions are not independent:
if nothing changed, each conversation could as well have been in the other period. A report that is read again and
again would call out falsely once in twenty times at 5 %: it counts at 1 %, corrected for the number of references
(Holm). With fewer than `FEWEST` conversations in a period nothing is said.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgellm.evals.statistics import holm
from edgellm.monitor.values import Moved, Word

ALPHA = 0.01
FEWEST = 20
"""Conversations in each period."""
SHUFFLES, RESAMPLES = 5000, 2000
LEVEL = 0.95
_BLOCK = 256
_NUMBERS = 1_000_000
"""Numbers in one block of shuffles."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Distances:
    """How far questions are from a reference, and which conversation each belongs to."""

    values: Sequence[float]
    conversations: Sequence[Hashable]


def nearest(questions: NDArray[np.float32], reference: NDArray[np.float32]) -> list[float]:
    """The distance of each question (n, d) from the nearest text of the reference (m, d), 0 to 2; unit vectors."""
    found: list[float] = []
    for start in range(0, len(questions), _BLOCK):
        cosines = questions[start : start + _BLOCK] @ reference.T
        found += (1.0 - cosines.max(axis=1)).astype(float).tolist()
    return found


def moved(now: Distances, before: Distances, seed: int = 0) -> Moved | None:
    """The difference of the mean distances, with its interval and p-value; None when there is too little to say."""
    ours, theirs = _sums(now), _sums(before)
    if min(ours.shape[1], theirs.shape[1]) < FEWEST:
        return None
    random = np.random.default_rng(seed)
    found = _mean(ours) - _mean(theirs)
    drawn = _redrawn(ours, random) - _redrawn(theirs, random)
    low, high = np.quantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Moved(
        now=_mean(ours),
        before=_mean(theirs),
        difference=found,
        low=float(low),
        high=float(high),
        p=_permuted(ours, theirs, random),
    )


def words_for(found: Sequence[Moved | None]) -> list[tuple[float | None, Word]]:
    """The corrected p-value and the word for each of several references."""
    tested = [each.p for each in found if each is not None]
    corrected = iter(holm(tested))
    return [(None, "too few to say") if each is None else _word(each, next(corrected)) for each in found]


def _word(found: Moved, p: float) -> tuple[float, Word]:
    if p >= ALPHA or found.difference == 0:
        return p, "no drift shown"
    return p, "farther" if found.difference > 0 else "nearer"


def _sums(distances: Distances) -> Floats:
    """Sum and number of the distances of each conversation: (2, conversations)."""
    numbered: dict[Hashable, int] = {}
    at = [numbered.setdefault(each, len(numbered)) for each in distances.conversations]
    sums = np.zeros((2, len(numbered)))
    np.add.at(sums[0], at, np.asarray(distances.values, np.float64))
    np.add.at(sums[1], at, 1.0)
    return sums


def _mean(sums: Floats) -> float:
    return float(sums[0].sum() / sums[1].sum())


def _redrawn(sums: Floats, random: np.random.Generator) -> Floats:
    """Means of conversations drawn with replacement."""
    count, drawn = sums.shape[1], []
    for rows in _blocks(RESAMPLES, count):
        at = random.integers(count, size=(rows, count))
        drawn.append(sums[0][at].sum(1) / sums[1][at].sum(1))
    return np.concatenate(drawn)


def _permuted(ours: Floats, theirs: Floats, random: np.random.Generator) -> float:
    """How often shuffled conversations differ as much, both ways."""
    together, first = np.concatenate([ours, theirs], axis=1), ours.shape[1]
    found, extreme, count = abs(_mean(ours) - _mean(theirs)) - 1e-12, 0, together.shape[1]
    (total, number) = together.sum(axis=1)
    for rows in _blocks(SHUFFLES, count):
        chosen = random.permuted(np.tile(np.arange(count), (rows, 1)), axis=1)[:, :first]
        sums, sizes = together[0][chosen].sum(1), together[1][chosen].sum(1)
        extreme += int((np.abs(sums / sizes - (total - sums) / (number - sizes)) >= found).sum())
    return (1 + extreme) / (1 + SHUFFLES)


def _blocks(rows: int, width: int) -> list[int]:
    """How many rows to compute at a time."""
    most = max(1, _NUMBERS // width)
    return [most] * (rows // most) + ([rows % most] if rows % most else [])
