"""Long work seen from the app: started here or elsewhere, watched until it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message_pump import MessagePump

from edgellm.errors import EdgeLLMError
from edgellm.events import Cancelled, Failed, Finished, JobEvent, Progressed, Started
from edgellm_tui.messages import JobsChanged, ModelsChanged, Refused
from edgellm_tui.ports import Edge
from edgellm_tui.widgets.dock import JobLine

if TYPE_CHECKING:
    from textual.app import App
    from textual.timer import Timer

LOOK_EVERY_S = 0.5
ENDED_STAYS_S = 6.0
"""How long a job that ended stays in the dock."""
_OUTCOMES = {Finished: "done", Failed: "failed", Cancelled: "cancelled"}


def with_event(line: JobLine, event: JobEvent | None) -> JobLine:
    """The line after an event."""
    from dataclasses import replace

    if isinstance(event, Started):
        return replace(line, total=event.total, unit=event.unit)
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
        return replace(line, outcome="failed:", note=event.message)
    if event is not None:
        return replace(line, outcome=_OUTCOMES[type(event)], note="")
    return line


class JobWatch:
    """Starts, follows and cancels jobs; tells the app when a line of the dock changes."""

    def __init__(self, edge: Edge, app: App[None]) -> None:
        self._edge = edge
        self._app: MessagePump = app
        self._lines: dict[str, JobLine] = {}
        self._timer: Timer | None = None

    def fetch(self, reference: str, title: str) -> None:
        """Download a model."""
        self._run(self._fetch(reference, title))

    def cancel(self, job_id: str | None = None) -> None:
        """Cancel a job, the newest one by default."""
        running = [line.id for line in self._lines.values() if not line.outcome]
        target = job_id if job_id in running else (running[-1] if running and job_id is None else None)
        if target is not None:
            self._run(self._cancel(target))

    def _run(self, work: object) -> None:
        self._app.run_worker(work, exclusive=False)  # type: ignore[attr-defined]

    async def _fetch(self, reference: str, title: str) -> None:
        try:
            job = await self._edge.jobs.start("pull", reference=reference)
        except EdgeLLMError as error:
            self._app.post_message(Refused(error))
            return
        self._lines[job.id] = JobLine(job.id, title, unit="B")
        self._tell()
        if self._timer is None:
            self._timer = self._app.set_interval(LOOK_EVERY_S, self._look)

    async def _cancel(self, job_id: str) -> None:
        try:
            await self._edge.jobs.cancel(job_id)
        except EdgeLLMError as error:
            self._app.post_message(Refused(error))

    async def _look(self) -> None:
        for job_id, line in list(self._lines.items()):
            if line.outcome:
                continue
            try:
                event = await self._edge.jobs.latest(job_id)
            except EdgeLLMError as error:
                self._app.post_message(Refused(error))
                continue
            self._lines[job_id] = changed = with_event(line, event)
            if changed.outcome:
                self._app.set_timer(ENDED_STAYS_S, lambda ended=job_id: self._forget(ended))
                self._app.post_message(ModelsChanged())
        self._tell()

    def _forget(self, job_id: str) -> None:
        self._lines.pop(job_id, None)
        self._tell()
        if not self._lines and self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _tell(self) -> None:
        self._app.post_message(JobsChanged(tuple(self._lines.values())))
