"""Usage adds up by day, model and tenant, with percentiles that were worked out by hand."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.errors import InvalidInput
from edgellm.store import Store, UsageRow, UsageTotal
from edgellm.store.db import Database
from edgellm.types import Timings, Usage


def row(model: str, *, prompt: int = 0, cached: int = 0, written: int = 0, timings: Timings | None = None) -> UsageRow:
    usage = Usage(prompt_tokens=prompt, cached_tokens=cached, completion_tokens=written)
    return UsageRow(model=model, usage=usage, timings=timings)


def timed(seconds: float | None, tenant: str = "ana", status: str = "ok", energy_j: float | None = None) -> UsageRow:
    return UsageRow(
        tenant=tenant, model="m", usage=Usage(prompt_tokens=1), status=status, seconds=seconds, energy_j=energy_j
    )


def test_usage_adds_up_by_day_and_by_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    now = [datetime(2026, 3, 1, 23, 59, tzinfo=UTC).timestamp()]
    store = Store(Database(tmp_path / "x.db", clock=lambda: now[0]))
    store.usage.add(row("a", prompt=10, cached=4, written=2, timings=Timings(ttft_s=1.0)))
    now[0] += 120
    store.usage.add(row("a", prompt=1, written=1))
    store.usage.add(row("b", prompt=2, written=9))
    day_one = UsageTotal(
        key="2026-03-01", requests=1, usage=Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=2)
    )
    day_two = UsageTotal(key="2026-03-02", requests=2, usage=Usage(prompt_tokens=3, completion_tokens=10))
    assert store.usage.totals() == [day_two, day_one]
    assert store.usage.totals(since=now[0]) == [day_two]
    assert store.usage.totals(since=now[0] + 1) == []
    assert [(total.key, total.usage.completion_tokens) for total in store.usage.totals("model")] == [("b", 9), ("a", 3)]
    assert (day_one.tokens, day_two.tokens) == (12, 13)
    store.close()


def test_tenants_are_told_apart_and_errors_counted(store: Store) -> None:
    store.usage.add(timed(2.0, "ana", energy_j=5.0))
    store.usage.add(timed(900.0, "ana", status="DeadlineExceeded", energy_j=2.5))
    store.usage.add(timed(None, "ben", status="QueueFull"))
    totals = {total.key: total for total in store.usage.totals("tenant")}
    ana, ben = totals["ana"], totals["ben"]
    assert (ana.requests, ana.errors, ana.p50_s, ana.p99_s, ana.energy_j) == (2, 1, 2.0, 2.0, 7.5)
    assert (ana.measured, ben.measured) == (2, 0)
    assert ana.cost(0.36) == pytest.approx(7.5 / 3_600_000 * 0.36)
    assert (ana.cost(None), ben.cost(0.36)) == (None, None)
    assert (ben.requests, ben.errors, ben.p50_s, ben.p99_s, ben.energy_j) == (1, 1, None, None, None)


def test_each_combination_of_several_is_a_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    now = [datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()]
    store = Store(Database(tmp_path / "x.db", clock=lambda: now[0]))
    for tenant, seconds in (("ana", 1.0), ("ana", 3.0), ("ben", 5.0)):
        store.usage.add(timed(seconds, tenant))
    now[0] += 86_400
    store.usage.add(timed(7.0, "ana", status="EngineError"))
    days = store.usage.totals(("tenant", "day"))
    assert [(total.keys, total.requests, total.errors, total.p50_s, total.p99_s) for total in days] == [
        (("ana", "2026-03-02"), 1, 1, None, None),
        (("ana", "2026-03-01"), 2, 0, 1.0, 3.0),
        (("ben", "2026-03-01"), 1, 0, 5.0, 5.0),
    ]
    assert days[0].key == "ana / 2026-03-02"
    assert [total.keys for total in store.usage.totals(["day", "model", "tenant"], since=now[0])] == [
        ("2026-03-02", "m", "ana")
    ]
    assert store.usage.totals(("tenant",)) == store.usage.totals("tenant")
    assert store.usage.totals("tenant")[0].keys == ()
    store.close()


@pytest.mark.parametrize("by", [(), ("week",), ("day", "1; DROP TABLE usage"), "week"])
def test_what_use_is_not_added_up_by_is_refused(store: Store, by: Any) -> None:
    with pytest.raises(InvalidInput, match="day, model, tenant") as refusal:
        store.usage.totals(by)
    assert refusal.value.facts["field"] == "by"


@pytest.mark.parametrize(
    ("seconds", "p50", "p99"),
    [
        ([3.0], 3.0, 3.0),
        ([4.0, 1.0], 1.0, 4.0),
        ([5.0, 1.0, 3.0], 3.0, 5.0),
        ([float(number) for number in range(100, 0, -1)], 50.0, 99.0),
        ([float(number) for number in range(1, 201)], 100.0, 198.0),
    ],
)
def test_percentiles_are_the_nearest_rank(store: Store, seconds: list[float], p50: float, p99: float) -> None:
    with store._database.write() as execute:
        for each in seconds:
            execute(
                """INSERT INTO usage (at, model, prompt_tokens, cached_tokens, completion_tokens, timings, seconds)
                VALUES (1, 'm', 0, 0, 0, '{}', ?)""",
                (each,),
            )
    [total] = store.usage.totals("model")
    assert (total.p50_s, total.p99_s) == (p50, p99)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(st.floats(0, 1000), min_size=1, max_size=12))
def test_percentiles_of_any_latencies(store: Store, seconds: list[float]) -> None:
    with store._database.write() as execute:
        execute("DELETE FROM usage")
    for each in seconds:
        store.usage.add(timed(each))
    [total] = store.usage.totals("tenant")
    ordered = sorted(seconds)
    assert total.p50_s == ordered[math.ceil(0.5 * len(ordered)) - 1]
    assert total.p99_s == ordered[math.ceil(0.99 * len(ordered)) - 1]


def test_what_was_measured_is_kept_and_hostile_names_are_stored(store: Store) -> None:
    made = UsageRow(
        tenant="t\ud800",
        model="m\n'; DROP TABLE usage;--",
        adapter="lighthouse",
        usage=Usage(prompt_tokens=7),
        status="EngineError",
        seconds=1.5,
        ttft_s=0.25,
    )
    store.usage.add(made)
    sql = "SELECT tenant, model, adapter, status, seconds, ttft_s, energy_j FROM usage"
    assert store._database.read(sql) == [
        ("t\ufffd", "m\n'; DROP TABLE usage;--", "lighthouse", "EngineError", 1.5, 0.25, None)
    ]
