"""Whether a model knows how sure it can be: expected calibration error and Brier score; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

BINS = 10


def probabilities(nats: Sequence[float]) -> list[float]:
    """Log-probabilities of choices as shares that sum to 1 (softmax)."""
    best = max(nats)
    weights = [math.exp(each - best) for each in nats]
    return [weight / sum(weights) for weight in weights]


def brier(shares: Sequence[float], right: int) -> float:
    """Sum of squared distances to certainty in the right choice (Brier, 1950): 0 is best, 2 is worst."""
    return sum((share - (at == right)) ** 2 for at, share in enumerate(shares))


def calibration_error(confidences: Sequence[float], right: Sequence[bool | float], bins: int = BINS) -> float:
    """Expected calibration error (Naeini et al., 2015): mean distance of confidence and share right, over equal bins.

    0 is best, 1 is worst. Raises: ValueError when there are not as many of both.
    """
    held: dict[int, list[tuple[float, float]]] = {}
    for confidence, is_right in zip(confidences, right, strict=True):
        held.setdefault(min(bins - 1, int(confidence * bins)), []).append((confidence, float(is_right)))
    total = sum(map(len, held.values()))
    distances = (abs(fmean(a for a, _ in each) - fmean(b for _, b in each)) * len(each) for each in held.values())
    return sum(distances) / total if total else 0.0
