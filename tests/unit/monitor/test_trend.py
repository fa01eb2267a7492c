"""Rates with intervals, weeks that begin on Monday, percentiles that somebody really waited."""

from __future__ import annotations

from datetime import date

import pytest

from edgellm.monitor.trend import each_day, share, spread, weeks


def test_a_share_has_wilsons_interval_and_nothing_has_none() -> None:
    found = share(9, 10)
    assert found.rate == 0.9
    assert found.low == pytest.approx(0.596, abs=0.001)
    assert found.high == pytest.approx(0.982, abs=0.001)
    assert share(0, 0).rate is share(0, 0).low is None


def test_percentiles_are_measured_values() -> None:
    found = spread([float(number) for number in range(1, 201)])
    assert found is not None
    assert (found.answers, found.p50_s, found.p90_s, found.p99_s) == (200, 100, 180, 198)
    one = spread([3.0])
    assert one is not None
    assert one.p50_s == one.p99_s == 3.0
    assert spread([]) is None


def test_weeks_without_ratings_are_shown_too() -> None:
    days = {"2026-11-04": (3, 1, 0), "2026-11-08": (1, 0, 2), "2026-11-23": (0, 2, 0)}
    found = weeks(days, date(2026, 11, 5), date(2026, 11, 23))
    assert [week.week for week in found] == ["2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23"]
    assert [(week.liked.count, week.liked.of, week.corrected) for week in found] == [
        (4, 5, 2),
        (0, 0, 0),
        (0, 0, 0),
        (0, 2, 0),
    ]


def test_every_day_of_a_time() -> None:
    assert each_day(date(2026, 2, 27), date(2026, 3, 1)) == ["2026-02-27", "2026-02-28", "2026-03-01"]
