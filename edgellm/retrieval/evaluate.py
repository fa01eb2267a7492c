"""How well a collection answers questions whose place is known, by each way of searching."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles

from edgellm.retrieval.measure import Quality, quality
from edgellm.retrieval.questions import Question
from edgellm.retrieval.values import Hit

Search = Callable[[str, int], Sequence[Hit]]
"""A question and a number of hits to the hits, best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one way of searching found."""

    way: str
    quality: Quality
    p50_ms: float
    p99_ms: float
    """Time of a question: its vector, both lists, fusion, texts of the hits."""
    missed: tuple[str, ...]
    """Questions whose place was not among the first k."""


def evaluate(
    ways: Sequence[tuple[str, Search]],
    questions: Sequence[Question],
    k: int = 10,
    on_done: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Found]:
    """Ask every question in every way. `on_done` is told how many of all were asked.

    A question has one place: recall@k is the share of questions whose place is among the first k hits, however many
    passages of it there are.
    """
    found, total = list[Found](), len(ways) * len(questions)
    for number, (way, search) in enumerate(ways):
        rankings, times = list[list[str]](), list[float]()
        for question in questions[:1]:
            search(question.question, k)  # what the first one opens is no question's time
        for asked, question in enumerate(questions, 1):
            began = time.perf_counter()
            hits = search(question.question, k)
            times.append(1000 * (time.perf_counter() - began))
            rankings.append([_item(question, hit) for hit in hits])
            on_done(number * len(questions) + asked, total)
        found.append(
            Found(
                way=way,
                quality=quality(rankings, [{_PLACE}] * len(rankings), k),
                p50_ms=_percentile(times, 50),
                p99_ms=_percentile(times, 99),
                missed=tuple(
                    question.question
                    for question, ranking in zip(questions, rankings, strict=True)
                    if _PLACE not in ranking
                ),
            )
        )
    return found


_PLACE = "the place"


def _item(question: Question, hit: Hit) -> str:
    """All passages of the place are one item: a second one gains nothing."""
    return _PLACE if question.is_answered_by(hit) else str(hit.chunk_id)


def _percentile(values: Sequence[float], percent: int) -> float:
    return values[0] if len(values) == 1 else quantiles(values, n=100, method="inclusive")[percent - 1]
