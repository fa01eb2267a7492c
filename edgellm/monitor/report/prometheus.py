"""A report as figures for Prometheus, in its text format 0.0.4: what a collector of text files passes on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from edgellm.monitor.report import wording
from edgellm.monitor.values import Monitored, Share, Spread
from edgellm.safetext import clean_line

Labels = Mapping[str, str]
Figures = Iterator[tuple[str, Labels, float]]
"""Name, labels, value."""
DIRECTION = {"farther": 1, "nearer": -1, "no drift shown": 0}
"""A drift as a number; one that nothing can be said about has none."""


def prometheus_page(found: Monitored) -> str:
    """Every number of a report as a gauge; what was not measured is left out."""
    by_name: dict[str, list[str]] = {}
    for name, labels, value in _figures(found):
        by_name.setdefault(f"edgellm_monitor_{name}", []).append(f"{_labels(labels)} {value}")
    lines = ("".join(f"{name}{each}\n" for each in values) for name, values in by_name.items())
    return "".join(f"# TYPE {name} gauge\n{values}" for name, values in zip(by_name, lines, strict=True))


def _figures(found: Monitored) -> Figures:
    yield "period_seconds", {}, found.period.until - found.period.since
    yield "questions", {}, found.looked.questions
    yield from _topics(found)
    yield from _share("answered_ratio", found.answering.answered)
    yield from _share("weak_evidence_ratio", found.weak)
    for rating, count in _ratings(found).items():
        yield "ratings", {"rating": rating}, count
    for reason, count in found.signals.items():
        yield "review_items", {"reason": reason}, count
    for each in found.latency:
        yield from _spread("first_token_seconds", each.model, each.first)
        yield from _spread("answer_seconds", each.model, each.whole)
    yield from _drift(found)


def _topics(found: Monitored) -> Figures:
    questions: Counter[str] = Counter()  # two topics of one name would be one figure with two values
    for topic in found.topics:
        questions[wording.label(topic)] += topic.questions
    for name, count in questions.items():
        yield "topic_questions", {"topic": name}, count
    yield "topic_questions", {"topic": ""}, found.alone


def _share(name: str, found: Share) -> Figures:
    for bound, value in (("", found.rate), ("low", found.low), ("high", found.high)):
        if value is not None:
            yield name, {"bound": bound}, value


def _ratings(found: Monitored) -> dict[str, int]:
    up = sum(week.liked.count for week in found.weeks)
    rated = sum(week.liked.of for week in found.weeks)
    return {"up": up, "down": rated - up, "correction": sum(week.corrected for week in found.weeks)}


def _spread(name: str, model: str, found: Spread | None) -> Figures:
    if found is not None:
        for quantile, value in (("0.5", found.p50_s), ("0.9", found.p90_s), ("0.99", found.p99_s)):
            yield name, {"model": model, "quantile": quantile}, value


def _drift(found: Monitored) -> Figures:
    for each in found.drift:
        labels = {"kind": each.kind, "reference": each.reference}
        if each.moved is not None:
            yield "distance", labels, each.moved.now
            yield "distance_before", labels, each.moved.before
        if each.word in DIRECTION:
            yield "drift", labels, DIRECTION[each.word]


def _labels(labels: Labels) -> str:
    """Quoted as JSON is, which is Prometheus' way too once no control character is left."""
    pairs = (f"{name}={json.dumps(clean_line(value), ensure_ascii=False)}" for name, value in labels.items())
    return f"{{{','.join(pairs)}}}" if labels else ""
