"""Who used which model: tokens, latency, errors and energy, by day, model or tenant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from edgellm.errors import InvalidInput
from edgellm.store.db import Database, Row
from edgellm.store.records import OK, UsageRow, UsageTotal, storable, to_json
from edgellm.types import Timings, Usage

By = Literal["day", "model", "tenant"]
BETWEEN_KEYS = " / "

_KEYS = {"day": "date(at, 'unixepoch', 'localtime')", "model": "model", "tenant": "tenant"}


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

    def totals(self, by: By | Sequence[By] = "day", since: float | None = None) -> list[UsageTotal]:
        """Sums per day (newest first), or per model or tenant (most tokens written first).

        Args:
            by: one, or several: then each combination is a sum, in the order of the first, then of the next.
            since: seconds since the epoch; only requests that ended then or later count.

        Raises: InvalidInput, StoreError.
        """
        names = _checked((by,) if isinstance(by, str) else tuple(by))
        labels = [f"label{place}" for place in range(len(names))]
        label = ", ".join(labels)
        chosen = ", ".join(f"{_KEYS[name]} AS {alias}" for name, alias in zip(names, labels, strict=True))
        sql = f"""WITH chosen AS (SELECT {chosen}, * FROM usage WHERE at >= ?),
            ranked AS (
                SELECT {label}, seconds, row_number() OVER (PARTITION BY {label} ORDER BY seconds) AS place,
                count(*) OVER (PARTITION BY {label}) AS number
                FROM chosen WHERE status = '{OK}' AND seconds IS NOT NULL
            ),
            latency AS (
                SELECT {label}, min(CASE WHEN place * 100 >= number * 50 THEN seconds END) AS p50,
                min(CASE WHEN place * 100 >= number * 99 THEN seconds END) AS p99 FROM ranked GROUP BY {label}
            )
            SELECT count(*), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens) AS written,
            sum(status <> '{OK}'), max(p50), max(p99), sum(energy_j), count(energy_j), {label}
            FROM chosen LEFT JOIN latency USING ({label}) GROUP BY {label} ORDER BY {_order(names)}"""
        return [_total(row) for row in self._database.read(sql, (since or 0.0,))]


def _checked(names: tuple[By, ...]) -> tuple[By, ...]:
    """Raises: InvalidInput."""
    unknown = [name for name in names if name not in _KEYS]
    if unknown or not names:
        found = f"by is {unknown[0]!r}" if unknown else "by names nothing"
        raise InvalidInput(f"{found}; use is added up by {', '.join(_KEYS)}.", field="by")
    return names


def _order(names: Sequence[By]) -> str:
    if len(names) == 1 and names[0] != "day":
        return "written DESC, label0"
    return ", ".join(f"label{place} DESC" if name == "day" else f"label{place}" for place, name in enumerate(names))


def _total(row: Row) -> UsageTotal:
    keys = tuple(row[9:])
    return UsageTotal(
        key=BETWEEN_KEYS.join(keys),
        requests=row[0],
        usage=Usage(prompt_tokens=row[1], cached_tokens=row[2], completion_tokens=row[3]),
        errors=row[4],
        p50_s=row[5],
        p99_s=row[6],
        energy_j=row[7],
        measured=row[8],
        keys=keys if len(keys) > 1 else (),
    )
