"""Several rankings into one, by reciprocal rank (Cormack, Clarke and Büttcher, 2009)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

K = 60
"""The paper's constant: how slowly a rank's weight falls."""


def reciprocal_ranks(rankings: Iterable[Sequence[int]]) -> list[tuple[int, float]]:
    """Everything that is in one of the rankings with the sum of 1 / (K + rank), best first."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + 1 / (K + rank)
    return sorted(scores.items(), key=lambda scored: -scored[1])
