"""What a token was chosen from: log-probabilities, alternatives and entropy of one row of logits."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgellm.types import Alternative, TokenTrace

_FLOOR = np.float32(-1e4)
"""Stands for minus infinity: its exponential is 0, and 0 times it is 0 as well."""


def trace(row: NDArray[np.float32], token: int, count: int, piece: Callable[[int], bytes]) -> TokenTrace:
    """Describe the choice of `token`, before any sampling filter.

    row: logits of the whole vocabulary. count: how many alternatives to name, the most probable first; the chosen token
    is one of them when it belongs there.
    """
    shifted = np.maximum(row - row.max(), _FLOOR)
    weights = np.exp(shifted)
    total = float(weights.sum(dtype=np.float64))
    log_total = math.log(total)
    mean_shifted = float(np.dot(weights, shifted)) / total

    def text(one: int) -> str:
        return piece(one).decode("utf-8", "replace")

    def logprob(one: int) -> float:
        return float(shifted[one]) - log_total

    best = most_probable(row, count)
    return TokenTrace(
        token=token,
        text=text(token),
        logprob=logprob(token),
        entropy=max(0.0, (log_total - mean_shifted) / math.log(2)),
        alternatives=tuple(Alternative(token=one, text=text(one), logprob=logprob(one)) for one in best),
    )


def most_probable(row: NDArray[np.float32], count: int) -> list[int]:
    """Ids of the `count` largest logits, largest first; equal ones by id."""
    if count == 0:
        return []
    best = np.argpartition(row, -count)[-count:]
    ordered: list[int] = best[np.lexsort((best, -row[best]))].tolist()
    return ordered
