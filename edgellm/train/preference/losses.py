"""The losses of preference tuning, as plain formulas of log-probabilities.

`change` is log p(answer) of the learning model minus that of the reference, summed over the answer's tokens.
"""

from __future__ import annotations

import mlx.core as mx

CERTAIN = -1e-6
"""A mean log-probability above this counts as this: at zero the odds have no logarithm."""


def dpo(chosen: mx.array, rejected: mx.array, beta: float) -> mx.array:
    """Direct preference optimization, equation 7 of Rafailov et al. 2023, arXiv:2305.18290.

    chosen, rejected: the change of each pair's answers (pairs,). Returns each pair's loss (pairs,).
    """
    return _softplus(-beta * (chosen - rejected))


def log_odds_ratio(chosen: mx.array, rejected: mx.array) -> mx.array:
    """How much likelier one answer is than the other, log(odds(chosen) / odds(rejected)).

    chosen, rejected: mean log p of an answer's tokens (pairs,).
    """
    return _log_odds(chosen) - _log_odds(rejected)


def orpo(chosen: mx.array, rejected: mx.array, beta: float) -> mx.array:
    """Odds ratio preference optimization, equation 6 of Hong et al. 2024, arXiv:2403.07691; its lambda is `beta`.

    chosen, rejected: mean log p of each pair's answers' tokens (pairs,). Needs no reference. Returns (pairs,).
    """
    return -chosen + beta * _softplus(-log_odds_ratio(chosen, rejected))


def kto(change: mx.array, is_good: mx.array, baseline: float, beta: float) -> mx.array:
    """Kahneman-Tversky optimization, equation 8 of Ethayarajh et al. 2024, arXiv:2402.01306, before its weights.

    change: of each judged answer (answers,); is_good: the judgements (answers,); baseline: the estimated divergence
    from the reference, which takes part in no gradient. Returns (answers,).
    """
    gain = mx.where(is_good, change - baseline, baseline - change)
    return mx.sigmoid(-beta * gain)


def _log_odds(mean: mx.array) -> mx.array:
    """log(p / (1 - p)) of p = exp(mean)."""
    mean = mx.minimum(mean, CERTAIN)
    return mean - mx.log(-mx.expm1(mean))


def _softplus(x: mx.array) -> mx.array:
    """log(1 + exp(x)) = -log sigmoid(-x), without overflow."""
    return mx.logaddexp(x, mx.zeros_like(x))
