"""What is measured beside scores: perplexity, calibration, support, citations, refusals, speed; pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from edgellm.evals.calibration import calibration_error
from edgellm.evals.statistics import Interval, share_interval
from edgellm.evals.values import Result

Results = Sequence[Result]
Measure = Callable[[Results], float | None]
"""None where the results hold nothing to measure."""
Held = Mapping[str, float]
"""What one result holds, by name."""
Counts = Callable[[Held], tuple[float, float]]
"""Of one result, how many are counted, and of how many; of none where it says nothing."""


def measures_of(results: Results) -> dict[str, float]:
    """Every measure that the results hold, by name."""
    found = ((name, measure(results)) for name, measure in MEASURES.items())
    return {name: value for name, value in found if value is not None}


def spans_of(results: Results) -> dict[str, Interval]:
    """The interval of every measure that is a share, by name. Answers of one group count together, as for scores."""
    found = {}
    for name, counts in SHARES.items():
        counted = [counts(each.measures) for each in results]
        if any(whole for _, whole in counted):
            parts, wholes = zip(*counted, strict=True)
            found[name] = share_interval(parts, wholes, [each.group for each in results])
    return found


def _of(part: str, whole: str) -> Counts:
    """One number of another."""
    return lambda held: (held.get(part, 0.0), held.get(whole, 0.0))


def _where(part: str, where: str) -> Counts:
    """Results that have `part`, of those that have `where`."""
    return lambda held: (held.get(part, 0.0), 1.0) if where in held else (0.0, 0.0)


def _unsupported_answer(held: Held) -> tuple[float, float]:
    return (float(held["unsupported"] > 0), 1.0) if held.get("claims") else (0.0, 0.0)


def _citations(held: Held) -> tuple[float, float]:
    good = held.get("held", 0.0)
    return good, good + held.get("removed", 0.0)


def _answered_outside(held: Held) -> tuple[float, float]:
    return (1 - held["declined"], 1.0) if "outside" in held else (0.0, 0.0)


SHARES: Mapping[str, Counts] = {
    "unsupported": _of("unsupported", "claims"),
    "unsupported_answers": _unsupported_answer,
    "citation_precision": _citations,
    "citation_recall": _of("cited", "claims"),
    "answered_outside": _answered_outside,
    "refused_harmful": _where("refused", "harmful"),
    "refused_harmless": _where("refused", "harmless"),
    "judge_agreement": _where("agrees", "agrees"),
    "cut": _where("cut", "written"),
    "empty": _where("empty", "empty"),
}
"""Measures that count something, which have an interval as scores do."""


def _share(name: str) -> Measure:
    def share(results: Results) -> float | None:
        counted = [SHARES[name](each.measures) for each in results]
        total = sum(whole for _, whole in counted)
        return sum(part for part, _ in counted) / total if total else None

    return share


def _sum(results: Results, name: str) -> float:
    return sum(each.measures.get(name, 0.0) for each in results)


def _mean(name: str) -> Measure:
    """A measure's mean over the results that have it."""

    def mean(results: Results) -> float | None:
        values = [each.measures[name] for each in results if name in each.measures]
        return sum(values) / len(values) if values else None

    return mean


def _perplexity(results: Results) -> float | None:
    tokens = _sum(results, "tokens")
    return math.exp(min(700.0, -_sum(results, "nats") / tokens)) if tokens else None


def _calibration(results: Results) -> float | None:
    weighed = [each for each in results if "confidence" in each.measures and each.value is not None]
    if not weighed:
        return None
    return calibration_error([each.measures["confidence"] for each in weighed], [each.value or 0.0 for each in weighed])


def _speed(results: Results) -> float | None:
    seconds = _sum(results, "seconds")
    return _sum(results, "written") / seconds if seconds else None


MEASURES: Mapping[str, Measure] = {
    "perplexity": _perplexity,
    "calibration_error": _calibration,
    "brier": _mean("brier"),
    "chance": _mean("chance"),
    "unsupported": _share("unsupported"),
    "unsupported_answers": _share("unsupported_answers"),
    "citation_precision": _share("citation_precision"),
    "citation_recall": _share("citation_recall"),
    "answered_outside": _share("answered_outside"),
    "refused_harmful": _share("refused_harmful"),
    "refused_harmless": _share("refused_harmless"),
    "judge_agreement": _share("judge_agreement"),
    "first_minus_second": _mean("first_minus_second"),
    "answer_tokens": _mean("written"),
    "cut": _share("cut"),
    "empty": _share("empty"),
    "tokens_per_second": _speed,
}
"""By name; docs/evaluation.md says what each is."""
