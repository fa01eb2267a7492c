"""Long work that a test moves on."""

# ruff: noqa: ARG002 - a fake takes the arguments of what it stands for

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgellm.events import FINAL, Cancelled, Failed, Finished, JobEvent, Progressed
from edgellm.store.records import JobState, StoredJob
from tests.tui.fakes.clock import NOW

LOOK_S = 0.01
_ENDS = {Finished: JobState.FINISHED, Failed: JobState.FAILED, Cancelled: JobState.CANCELLED}


class FakeJobs:
    """Jobs whose events a test says."""

    def __init__(self) -> None:
        self.events: dict[str, JobEvent | None] = {}
        """The latest of each."""
        self.logs: dict[str, list[JobEvent]] = {}
        """All of the current attempt."""
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
        self.logs[job.id] = []
        self.events[job.id] = Progressed(done=1.2e9, total=2.6e9, rate=21e6, left_s=67)
        return job

    def say(self, job_id: str, *events: JobEvent) -> None:
        """What the job's process does next; a final event ends it."""
        for event in events:
            self.logs[job_id].append(event)
            self.events[job_id] = event
            if isinstance(event, FINAL):
                result = event.result if isinstance(event, Finished) else None
                self.rows[job_id] = replace(self.rows[job_id], state=_ENDS[type(event)], result=result)

    async def get(self, job_id: str) -> StoredJob:
        return self.rows[job_id]

    async def list(self, limit: int = 50, offset: int = 0) -> Sequence[StoredJob]:
        return list(self.rows.values())

    async def latest(self, job_id: str) -> JobEvent | None:
        return self.events[job_id]

    async def cancel(self, job_id: str) -> StoredJob:
        self.say(job_id, Cancelled())
        return self.rows[job_id]

    async def resume(self, job_id: str) -> StoredJob:
        self.logs[job_id], self.events[job_id] = [], None
        self.rows[job_id] = replace(self.rows[job_id], state=JobState.RUNNING)
        return self.rows[job_id]

    async def follow(self, job_id: str) -> AsyncGenerator[JobEvent, None]:
        said = 0
        while True:
            log = self.logs[job_id]
            for event in log[said:]:
                yield event
                if isinstance(event, FINAL):
                    return
            said = len(log)
            await asyncio.sleep(LOOK_S)
