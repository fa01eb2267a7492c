"""What is measured beside scores: perplexity, calibration, support, citations, refusals, speed; pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from edgellm.evals.calibration import calibration_error
from edgellm.evals.values import Result

Results = Sequence[Result]
Measure = Callable[[Results], float | None]
"""None where the results hold nothing to measure."""


def measures_of(results: Results) -> dict[str, float]:
    """Every measure that the results hold, by name."""
    found = ((name, measure(results)) for name, measure in MEASURES.items())
    return {name: value for name, value in found if value is not None}


def _sum(results: Results, name: str) -> float:
    return sum(each.measures.get(name, 0.0) for each in results)


def _share(part: str, whole: str) -> Measure:
    """One measure's sum over another's."""

    def share(results: Results) -> float | None:
        total = _sum(results, whole)
        return _sum(results, part) / total if total else None

    return share


def _mean(name: str) -> Measure:
    """A measure's mean over the results that have it."""

    def mean(results: Results) -> float | None:
        values = [each.measures[name] for each in results if name in each.measures]
        return sum(values) / len(values) if values else None

    return mean


def _share_where(part: str, where: str) -> Measure:
    """A measure's mean over the results that have another one."""
    return lambda results: _mean(part)([each for each in results if where in each.measures])


def _perplexity(results: Results) -> float | None:
    tokens = _sum(results, "tokens")
    return math.exp(min(700.0, -_sum(results, "nats") / tokens)) if tokens else None


def _calibration(results: Results) -> float | None:
    weighed = [each for each in results if "confidence" in each.measures and each.value is not None]
    if not weighed:
        return None
    return calibration_error([each.measures["confidence"] for each in weighed], [each.value or 0.0 for each in weighed])


def _precision(results: Results) -> float | None:
    written = _sum(results, "held") + _sum(results, "removed")
    return _sum(results, "held") / written if written else None


def _cut(results: Results) -> float | None:
    return _mean("cut")([each for each in results if "written" in each.measures])


MEASURES: Mapping[str, Measure] = {
    "perplexity": _perplexity,
    "calibration_error": _calibration,
    "brier": _mean("brier"),
    "chance": _mean("chance"),
    "unsupported": _share("unsupported", "claims"),
    "citation_precision": _precision,
    "citation_recall": _share("cited", "claims"),
    "answered_outside": lambda results: _complement(_share_where("declined", "outside")(results)),
    "refused_harmful": _share_where("refused", "harmful"),
    "refused_harmless": _share_where("refused", "harmless"),
    "judge_agreement": _mean("agrees"),
    "first_minus_second": _mean("first_minus_second"),
    "answer_tokens": _mean("written"),
    "cut": _cut,
    "empty": _mean("empty"),
    "tokens_per_second": _share("written", "seconds"),
}
"""By name; docs/evaluation.md says what each is."""


def _complement(share: float | None) -> float | None:
    return None if share is None else 1 - share
