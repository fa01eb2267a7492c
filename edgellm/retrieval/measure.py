"""How good rankings are: recall@k, mean reciprocal rank, nDCG@k."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Means over all questions, each from 0 to 1."""

    questions: int
    recall: float
    mrr: float
    ndcg: float


def recall_at(ranking: Sequence[T], relevant: Collection[T], k: int) -> float:
    """Share of the relevant items that are among the first `k`; with one relevant item, whether it is there."""
    _check(relevant, k)
    return len(set(ranking[:k]) & set(relevant)) / len(set(relevant))


def reciprocal_rank(ranking: Sequence[T], relevant: Collection[T], k: int) -> float:
    """1 / rank of the first relevant item among the first `k`; 0 when there is none."""
    _check(relevant, k)
    wanted = set(relevant)
    return next((1 / rank for rank, item in enumerate(ranking[:k], 1) if item in wanted), 0.0)


def ndcg_at(ranking: Sequence[T], relevant: Collection[T], k: int) -> float:
    """Normalised discounted cumulative gain with gains of 0 and 1 (Järvelin and Kekäläinen, 2002).

    An item that is ranked again gains nothing.
    """
    _check(relevant, k)
    wanted, gain = set(relevant), 0.0
    for rank, item in enumerate(ranking[:k], 1):
        if item in wanted:
            wanted.remove(item)
            gain += 1 / math.log2(rank + 1)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(set(relevant))) + 1))


def quality(rankings: Sequence[Sequence[T]], relevant: Sequence[Collection[T]], k: int = 10) -> Quality:
    """The means over questions. Raises: ValueError when there are none, or not as many of both."""
    pairs = list(zip(rankings, relevant, strict=True))
    return Quality(
        questions=len(pairs),
        recall=fmean(recall_at(ranking, wanted, k) for ranking, wanted in pairs),
        mrr=fmean(reciprocal_rank(ranking, wanted, k) for ranking, wanted in pairs),
        ndcg=fmean(ndcg_at(ranking, wanted, k) for ranking, wanted in pairs),
    )


def _check(relevant: Collection[T], k: int) -> None:
    if k < 1 or not relevant:
        raise ValueError(f"{len(relevant)} relevant items, k = {k}: both must be at least 1.")
