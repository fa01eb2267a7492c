"""Who used which model: tokens, latency, errors and energy, by day, model or tenant."""

from __future__ import annotations

from typing import Literal

from edgellm.store.db import Database, Row
from edgellm.store.records import OK, UsageRow, UsageTotal, storable, to_json
from edgellm.types import Timings, Usage

By = Literal["day", "model", "tenant"]

_KEYS = {"day": "date(at, 'unixepoch', 'localtime')", "model": "model", "tenant": "tenant"}
_ORDER = {"day": "1 DESC", "model": "5 DESC, 1", "tenant": "5 DESC, 1"}


class UsageLog:
    """One row per request that has ended. It names no session and holds no text."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: UsageRow) -> None:
        """Count one request, now."""
        counts = (row.usage.prompt_tokens, row.usage.cached_tokens, row.usage.completion_tokens)
        names = (storable(row.model), storable(row.tenant), row.adapter and storable(row.adapter), storable(row.status))
        measured = (row.seconds, row.ttft_s, row.energy_j, to_json(row.timings or Timings(), "timings"))
        with self._database.write() as execute:
            execute(
                """INSERT INTO usage (at, prompt_tokens, cached_tokens, completion_tokens, model, tenant, adapter,
                status, seconds, ttft_s, energy_j, timings) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (self._database.clock(), *counts, *names, *measured),
            )

    def totals(self, by: By = "day", since: float | None = None) -> list[UsageTotal]:
        """Sums per day (newest first), or per model or tenant (most tokens written first).

        Args:
            since: seconds since the epoch; only requests that ended then or later count.
        """
        sql = f"""WITH chosen AS (SELECT {_KEYS[by]} AS label, * FROM usage WHERE at >= ?),
            ranked AS (
                SELECT label, seconds, row_number() OVER (PARTITION BY label ORDER BY seconds) AS place,
                count(*) OVER (PARTITION BY label) AS number
                FROM chosen WHERE status = '{OK}' AND seconds IS NOT NULL
            ),
            latency AS (
                SELECT label, min(CASE WHEN place * 100 >= number * 50 THEN seconds END) AS p50,
                min(CASE WHEN place * 100 >= number * 99 THEN seconds END) AS p99 FROM ranked GROUP BY label
            )
            SELECT label, count(*), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens),
            sum(status <> '{OK}'), max(p50), max(p99), sum(energy_j), count(energy_j)
            FROM chosen LEFT JOIN latency USING (label) GROUP BY label ORDER BY {_ORDER[by]}"""
        return [_total(row) for row in self._database.read(sql, (since or 0.0,))]


def _total(row: Row) -> UsageTotal:
    return UsageTotal(
        key=row[0],
        requests=row[1],
        usage=Usage(prompt_tokens=row[2], cached_tokens=row[3], completion_tokens=row[4]),
        errors=row[5],
        p50_s=row[6],
        p99_s=row[7],
        energy_j=row[8],
        measured=row[9],
    )
