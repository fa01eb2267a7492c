"""Long work seen from the app: started here or elsewhere, watched until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from edgellm.errors import EdgeLLMError
from edgellm.events import Cancelled, Failed, Finished, JobEvent, Measured, Progressed, Sampled, Started
from edgellm.safetext import clean_line
from edgellm_tui.errors import explain
from edgellm_tui.messages import JobsChanged, ModelsChanged, Refused
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.widgets.dock import JobLine
from edgellm_tui.wording import in_app

if TYPE_CHECKING:
    from textual.app import App

    from edgellm.store.records import StoredJob

LOOK_EVERY_S = 0.5
ENDED_STAYS_S = 6.0
"""How long a job that ended stays in the dock."""
_UNITS = {"pull": "B", "ingest": "files"}
"""What the numbers of a job count."""
_OUTCOMES = {Finished: "done", Failed: "failed", Cancelled: "cancelled"}


def with_event(line: JobLine, event: JobEvent | None) -> JobLine:
    """The line after an event."""
    if isinstance(event, Started):
        title = event.title or line.title
        return JobLine(
            line.id, title, total=event.total, unit=event.unit, note=event.note
        )  # what was counted before is over
    if isinstance(event, Progressed):
        return replace(
            line,
            done=event.done,
            total=event.total or line.total,
            rate=event.rate,
            left_s=event.left_s,
            note=event.note,
        )
    if isinstance(event, Failed):
        return replace(line, outcome="failed:", note=in_app(event.message))
    if event is None or isinstance(event, Measured | Sampled):
        return line
    return replace(line, outcome=_OUTCOMES[type(event)], note="")


class JobWatch:
    """Starts, follows and cancels jobs; tells the app when a line of the dock changes."""

    def __init__(self, edge: Edge, preferences: Preferences, app: App[None]) -> None:
        self._edge = edge
        self._preferences = preferences
        self._app = app
        self._lines: dict[str, JobLine] = {}
        self._is_looking = False

    async def find_running(self) -> None:
        """Take up the jobs that were running before the app was opened."""
        with self._told():
            for job in await self._edge.jobs.list():
                if job.is_active:
                    self.watch(job)

    async def fetch(self, reference: str, title: str) -> None:
        """Download a model, unless that is under way."""
        name = f"Fetch {title}"
        if any(line.title == name and not line.outcome for line in self._lines.values()):
            self._app.notify(f"{clean_line(title)} is on its way", markup=False)
            return
        where = {"offline": self._preferences.offline, "endpoint": self._preferences.hub_endpoint}
        with self._told():
            job = await self._edge.jobs.start("pull", name, {"reference": reference, **where})
            self.watch(job)

    async def cancel(self, job_id: str | None = None) -> None:
        """Cancel a job, the newest one by default."""
        running = [line.id for line in self._lines.values() if not line.outcome]
        if running and (job_id is None or job_id in running):
            with self._told():
                await self._edge.jobs.cancel(job_id or running[-1])

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except EdgeLLMError as error:
            self._app.post_message(Refused(error))

    def watch(self, job: StoredJob) -> None:
        """Show a job in the dock until it ends."""
        self._lines[job.id] = JobLine(job.id, job.title, unit=_UNITS.get(job.kind, ""))
        self._tell()
        if not self._is_looking:
            self._is_looking = True
            self._app.run_worker(self._look(), group="jobs")

    async def _look(self) -> None:
        """Follow the running jobs in a worker: however long the store takes, keys are not kept waiting."""
        while running := [line for line in self._lines.values() if not line.outcome]:
            await asyncio.sleep(LOOK_EVERY_S)
            for line in running:
                try:
                    await self._look_at(line)
                except EdgeLLMError as error:
                    self._end(replace(line, outcome="lost:", note=explain(error)))
            self._tell()
        self._is_looking = False

    async def _look_at(self, line: JobLine) -> None:
        job, event = await self._edge.jobs.get(line.id), await self._edge.jobs.latest(line.id)
        changed = with_event(line, event)
        if not job.is_active and not changed.outcome:
            changed = replace(changed, outcome=str(job.state), note=in_app(job.message or ""))
        if changed.outcome:
            self._end(changed)
        else:
            self._lines[line.id] = changed

    def _end(self, line: JobLine) -> None:
        self._lines[line.id] = line
        self._app.set_timer(ENDED_STAYS_S, lambda: self._forget(line.id))
        self._app.post_message(ModelsChanged())

    def _forget(self, job_id: str) -> None:
        if job_id in self._lines and self._lines[job_id].outcome:  # else it was resumed
            del self._lines[job_id]
            self._tell()

    def _tell(self) -> None:
        self._app.post_message(JobsChanged(tuple(self._lines.values())))
