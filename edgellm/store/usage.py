"""How many tokens went through which model, day by day."""

from __future__ import annotations

from typing import Literal

from edgellm.store.db import Database
from edgellm.store.records import UsageTotal, storable, to_json
from edgellm.types import Timings, Usage

_KEYS = {"day": "date(at, 'unixepoch', 'localtime')", "model": "model"}


class UsageLog:
    """One row per finished request. It names no session and holds no text."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, *, model: str, usage: Usage, timings: Timings | None = None) -> None:
        """Count one request."""
        counts = (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
        with self._database.write() as execute:
            execute(
                "INSERT INTO usage (at, model, prompt_tokens, cached_tokens, completion_tokens, timings)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (self._database.clock(), storable(model), *counts, to_json(timings or Timings(), "timings")),
            )

    def totals(self, by: Literal["day", "model"] = "day") -> list[UsageTotal]:
        """Sums per day (newest first) or per model (most tokens written first)."""
        order = "1 DESC" if by == "day" else "5 DESC, 1"
        rows = self._database.read(
            f"""SELECT {_KEYS[by]}, count(*), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens)
            FROM usage GROUP BY 1 ORDER BY {order}"""
        )
        return [
            UsageTotal(
                key=key,
                requests=requests,
                usage=Usage(prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion),
            )
            for key, requests, prompt, cached, completion in rows
        ]
