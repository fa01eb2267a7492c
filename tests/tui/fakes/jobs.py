"""Long work that a test moves on."""

# ruff: noqa: ARG002 - a fake takes the arguments of what it stands for

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgellm.events import Cancelled, JobEvent, Progressed
from edgellm.store.records import JobState, StoredJob
from tests.tui.fakes.clock import NOW


class FakeJobs:
    """Jobs whose latest event a test sets."""

    def __init__(self) -> None:
        self.events: dict[str, JobEvent | None] = {}
        self.rows: dict[str, StoredJob] = {}

    async def start(self, kind: str, title: str, arguments: Mapping[str, Any]) -> StoredJob:
        job = StoredJob(
            id=f"j{len(self.rows) + 1}",
            kind=kind,
            title=title,
            arguments=arguments,
            state=JobState.RUNNING,
            created_at=NOW,
            updated_at=NOW,
        )
        self.rows[job.id] = job
        self.events[job.id] = Progressed(done=1.2e9, total=2.6e9, rate=21e6, left_s=67)
        return job

    async def get(self, job_id: str) -> StoredJob:
        return self.rows[job_id]

    async def list(self, limit: int = 50, offset: int = 0) -> Sequence[StoredJob]:
        return list(self.rows.values())

    async def latest(self, job_id: str) -> JobEvent | None:
        return self.events[job_id]

    async def cancel(self, job_id: str) -> StoredJob:
        self.events[job_id] = Cancelled()
        self.rows[job_id] = replace(self.rows[job_id], state=JobState.CANCELLED)
        return self.rows[job_id]
