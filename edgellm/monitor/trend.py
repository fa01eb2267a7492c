"""Rates, weeks and percentiles: counts with the intervals that they allow; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from edgellm.evals.statistics import rate_interval
from edgellm.monitor.values import Share, Spread, Week

Rated = tuple[int, int, int]
"""Of one day: answers rated up, rated down, corrected."""


def share(count: int, of: int) -> Share:
    """A share with its 95 % interval; of nothing, no rate."""
    if not of:
        return Share(count=count, of=of)
    found = rate_interval(count, of)
    return Share(count=count, of=of, rate=found.mean, low=found.low, high=found.high)


def spread(seconds: Sequence[float]) -> Spread | None:
    """What 50, 90 and 99 % took at most; None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    p50, p90, p99 = (ordered[max(0, math.ceil(of * len(ordered) / 100) - 1)] for of in (50, 90, 99))
    return Spread(answers=len(ordered), p50_s=p50, p90_s=p90, p99_s=p99)


def weeks(days: Mapping[str, Rated], first: date, last: date) -> tuple[Week, ...]:
    """Ratings by week from the one of `first` to the one of `last`, also those without any; days are YYYY-MM-DD."""
    found: dict[date, list[int]] = {}
    for day, rated in days.items():
        sums = found.setdefault(_monday(date.fromisoformat(day)), [0, 0, 0])
        for at, number in enumerate(rated):
            sums[at] += number
    every, monday = [], _monday(first)
    while monday <= last:
        up, down, corrected = found.get(monday, [0, 0, 0])
        every.append(Week(week=monday.isoformat(), liked=share(up, up + down), corrected=corrected))
        monday += timedelta(weeks=1)
    return tuple(every)


def each_day(first: date, last: date) -> list[str]:
    """Every day of a time, as YYYY-MM-DD."""
    return [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
