"""Training runs that a test moves on, and one that went as runs go."""

from __future__ import annotations

import builtins
import csv
import math
from pathlib import Path
from typing import Any

import msgspec

from edgellm.data.rows import Source
from edgellm.data.schemas import chosen_columns, find_schema
from edgellm.events import Finished, JobEvent, Measured, Progressed, Started
from edgellm.store.records import StoredJob
from edgellm.train.settings import TrainSettings
from tests.tui.fakes.jobs import FakeJobs

STEPS = 80
PLAN: dict[str, Any] = {
    "data_notes": ["read as csv of prompt and completion", "212 of 220 rows kept; left out: 8 answer of one word"],
    "rows": 212,
    "tokens": 14_300,
    "targets": 5_100,
    "cut_rows": 3,
    "left_out_rows": 2,
    "left_out_why": "Its question alone fills the context of 512 tokens.",
    "steps": STEPS,
    "learning_weights": 4_884_480,
    "total_bytes": 1_210_000_000,
    "is_recomputed": False,
    "available_bytes": 6_200_000_000,
    "verdict": "fits",
    "step_s": 2.5,
    "seconds": 214.0,
}


def loss_at(step: int) -> float:
    """A loss as losses are: falling, with some noise."""
    return 3.9 * math.exp(-step / 18) + 0.05 + 0.12 * math.sin(step * 1.7) * math.exp(-step / 40)


def steps_until(last: int) -> list[JobEvent]:
    """What a run of `STEPS` steps says up to one of them."""
    said: list[JobEvent] = [Started(title="Teaching qwen3-4b", total=STEPS, unit="steps")]
    for step in range(1, last + 1):
        values = {"loss": loss_at(step), "tokens_per_s": 212.0, "peak_memory_bytes": 1.18e9}
        said.append(Measured(step=step, values=values))
        if step % 10 == 0:
            said.append(Measured(step=step, values={"valid_loss": loss_at(step) + 0.2}))
        said.append(Progressed(done=step, total=STEPS, left_s=2.5 * (STEPS - step), note="loss"))
    return said


def finished(base: str, name: str) -> Finished:
    """The end of a run that went well."""
    losses = {"first": loss_at(1), "last": loss_at(STEPS)}
    result = {"model": f"{base}@{name}", "losses": losses, "tokens_per_s": 212.0, "train_s": 200.0, "steps": STEPS}
    return Finished(result=result)


class FakeTraining:
    """Runs among the jobs."""

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs

    async def start(
        self,
        data: str | Path,
        base: str,
        name: str,
        settings: TrainSettings | None = None,
        *,
        columns: str | None = None,
    ) -> StoredJob:
        arguments = self._arguments(data, base, name, settings, columns)
        return await self._jobs.start("train", f"{base} learns {name}", arguments)

    async def plan(
        self, data: str | Path, base: str, settings: TrainSettings | None = None, *, columns: str | None = None
    ) -> StoredJob:
        return await self._jobs.start("plan", "Plan", self._arguments(data, base, "", settings, columns))

    async def list(self) -> builtins.list[StoredJob]:
        return [job for job in reversed(self._jobs.rows.values()) if job.kind == "train"]

    def _arguments(
        self, data: str | Path, base: str, name: str, settings: TrainSettings | None, columns: str | None
    ) -> dict[str, Any]:
        if str(data).endswith(".csv"):  # the heads are looked at as the SDK does
            with Path(data).open(newline="") as table:
                find_schema(next(csv.reader(table)), Source(str(data), 1), chosen_columns(columns) if columns else None)
        chosen = msgspec.to_builtins(settings or TrainSettings())
        return {"dataset": Path(data).stem, "base": base, "name": name, "settings": chosen, "columns": columns}
