"""The job dock: long work under the page, with rate, time left and cancel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.reactive import reactive
from textual.style import Style
from textual.widget import Widget

from edgellm.safetext import clean_line
from edgellm.sizes import amount, pace
from edgellm_tui.render import meter


@dataclass(frozen=True, slots=True)
class JobLine:
    """What is known about one job."""

    id: str
    title: str
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    rate: float | None = None
    left_s: float | None = None
    note: str = ""
    outcome: str = ""
    """Empty while it runs; then `done`, `failed` or `cancelled`."""


class Dock(Widget):
    """One line a job; takes no room while there are none."""

    jobs: reactive[Sequence[JobLine]] = reactive((), layout=True)

    def on_mount(self) -> None:
        """The word cancel keeps its own look."""
        self.auto_links = False

    def watch_jobs(self, jobs: Sequence[JobLine]) -> None:
        """Show as many lines as there are jobs."""
        self.display = bool(jobs)
        self.styles.height = len(jobs)

    def render(self) -> Content:
        """The jobs, newest last."""
        return Content("\n").join([self._line(job) for job in self.jobs])

    def _line(self, job: JobLine) -> Content:
        width = max(self.size.width - 2, 10)
        title = Content.styled(clean_line(job.title), "bold")
        facts = Content.styled(_facts(job), "$foreground 70%")
        if job.outcome:
            return Content(" ") + (title + Content("  ") + facts).truncate(width, ellipsis=True)
        right = _bar(job, 20 if width > 100 else 10) + Content("  ") + facts + Content("  ") + _cancel(job)
        room = max(width - right.cell_length - 2, 4)
        title = title.truncate(room, ellipsis=True).pad_right(1)
        gap = Content(" " * max(1, room - title.cell_length + 1))
        return Content(" ") + title + gap + right


def _bar(job: JobLine, cells: int) -> Content:
    done = round(cells * min(job.done / job.total, 1.0)) if job.total else 0
    return Content.assemble(("━" * done, "$primary"), ("─" * (cells - done), "$foreground 30%"))


def _facts(job: JobLine) -> str:
    if job.outcome:
        return " ".join(filter(None, (job.outcome, clean_line(job.note))))
    parts = [_done(job)]
    if job.rate:
        parts.append(pace(job.rate, job.unit))
    if job.left_s is not None:
        parts.append(f"{meter.seconds(job.left_s)} left")
    return " · ".join(parts)


def _done(job: JobLine) -> str:
    """How much of how much; a unit that is no part of the number stands once, at the end."""
    if not job.total:
        return amount(job.done, job.unit)
    done = amount(job.done, job.unit if job.unit in ("bytes", "B") else "")
    return f"{done} of {amount(job.total, job.unit)}"


def _cancel(job: JobLine) -> Content:
    return Content.styled("cancel", "underline $text-error").stylize(
        Style.from_meta({"@click": f"app.cancel_job({job.id!r})"})
    )
