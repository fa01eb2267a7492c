"""The evaluation page: runs with what came out, suites with what they ask."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static

from edgellm.errors import EdgeLLMError
from edgellm.events import Progressed, Started
from edgellm.safetext import clean_line
from edgellm_tui.commands import bindings
from edgellm_tui.evaluations import (
    RESUMABLE,
    RUNS_HEAD,
    SUITES_HEAD,
    EvalRow,
    SuiteRow,
    WantedRun,
    eval_rows,
    read_offers,
    suite_rows,
)
from edgellm_tui.messages import JobBegan, Refused
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.render import meter
from edgellm_tui.render.scores import score_lines, suite_lines
from edgellm_tui.screens.listing import RowsPage
from edgellm_tui.widgets.sections import Sections
from edgellm_tui.wording import in_app

if TYPE_CHECKING:
    from edgellm.store.records import StoredJob

LOOK_EVERY_S = 1.0
BAR_CELLS = 30
MOST_JOBS = 200
SECTIONS = {"runs": "Runs", "suites": "Suites"}
HEADS = {"runs": RUNS_HEAD, "suites": SUITES_HEAD}
EMPTY = (
    "Nothing was evaluated yet. n asks a model questions whose answers are known, and compares it with another one: "
    "every score has an interval, every comparison a test, so that chance is not taken for progress."
)


class EvaluatePage(RowsPage[EvalRow | SuiteRow]):
    """Sections above, list left, the highlighted one right (below on narrow screens)."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("evaluate")
    ENTER = "open"
    NEED_AN_ITEM = frozenset({"open"})

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(edge, preferences, id=id)
        self.sections = Sections(SECTIONS, "runs", id="evaluate-sections")
        self.details = VerticalScroll(id="evaluate-details", can_focus=False)
        self._head = Static(RUNS_HEAD, id="evaluate-head", markup=False)
        self._text = Static(id="evaluate-text", markup=False)
        self._wanted = WantedRun(on=preferences.default_model)
        """What the form begins with."""
        self._begun = ""
        """Id of a run that is to be highlighted when the list is read."""
        self._progress: tuple[str, Started | None, Progressed | None] = ("", None, None)
        """Of the job with this id."""

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.sections
        with Horizontal(classes="split"):
            with Vertical(id="evaluate-list"):
                yield self._head
                yield self.list
            with self.details:
                yield self._text

    def on_mount(self) -> None:
        """What goes on is looked at once a second."""
        self.set_interval(LOOK_EVERY_S, self._tick)

    def focus_default(self) -> None:
        """Keys act on the highlighted row; the list is read again each time the page is shown."""
        self.screen.set_focus(self.list)
        self.renew()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys are shown where they do something."""
        row = self.chosen
        if action == "stop":
            return isinstance(row, EvalRow) and row.is_active
        if action == "resume":
            return isinstance(row, EvalRow) and row.state in RESUMABLE
        if action == "blind":
            return isinstance(row, EvalRow) and row.run is not None and len(row.run.subjects) > 1
        if action == "open":
            return isinstance(row, EvalRow) and row.run is not None
        return super().check_action(action, parameters)

    def on_resize(self) -> None:
        """Lines are broken anew."""
        self._detail()

    def _tick(self) -> None:
        if self.display and self.screen.is_active and any(isinstance(r, EvalRow) and r.is_active for r in self._items):
            self.renew()

    # The list

    @on(Sections.Chosen)
    def _section_chosen(self) -> None:
        self.fill([])
        self.renew()

    async def read(self) -> None:
        """The rows of the chosen section, and how far the highlighted job is."""
        section = self.sections.chosen
        rows = await self._rows(section)
        if section != self.sections.chosen:
            return  # another was chosen meanwhile
        self._head.update(HEADS[section])
        if list(rows) != list(self._items):
            self.fill(rows)
        names = [row.name for row in rows]
        if self._begun in names:
            self.list.highlighted, self._begun = names.index(self._begun), ""
        await self._read_progress()
        self._detail()

    async def _rows(self, section: str) -> Sequence[EvalRow | SuiteRow]:
        if section == "suites":
            return suite_rows(await self.edge.evals.suites())
        jobs, runs = await self.edge.jobs.list(MOST_JOBS), await self.edge.evals.list()
        return eval_rows(jobs, runs, time.time())

    async def _read_progress(self) -> None:
        row = self.chosen
        if not isinstance(row, EvalRow) or not row.is_active:
            return
        name, started, progressed = self._progress if self._progress[0] == row.name else (row.name, None, None)
        event = await self.edge.jobs.latest(row.name)
        started = event if isinstance(event, Started) else started
        progressed = event if isinstance(event, Progressed) else None if isinstance(event, Started) else progressed
        self._progress = (name, started, progressed)

    @on(OptionList.OptionHighlighted)
    def _detail(self) -> None:
        width = max(self.details.container_size.width - 5, 20)
        self._text.update(Content("\n").join(self._lines(width)))
        self.refresh_bindings()

    def _lines(self, width: int) -> Sequence[Content]:
        row = self.chosen
        if isinstance(row, SuiteRow):
            return suite_lines(row.suite, width)
        if row is None:
            return Content.styled(EMPTY, "$foreground 70%").wrap(width)
        if row.run is not None:
            return score_lines(row.run, width)
        title = Content.styled(f"{clean_line(row.subject)} on {clean_line(row.suites)}", "bold $primary")
        if row.is_active:
            return [title, *self._progress_lines(row)]
        told = in_app(row.message) or "It was stopped."
        return [title, *Content.styled(told, "$text-error" if row.state == "failed" else "$foreground 70%").wrap(width)]

    def _progress_lines(self, row: EvalRow) -> list[Content]:
        name, started, progressed = self._progress
        if name != row.name:
            return [Content.styled("Beginning …", "$foreground 70%")]
        lines = [Content.styled(f"{clean_line(started.title)} …", "$foreground 70%")] if started else []
        if progressed and progressed.total:
            left = f"   {meter.seconds(progressed.left_s)} left" if progressed.left_s else ""
            told = f"  {progressed.done:,.0f} of {progressed.total:,.0f}{left}"
            lines.append(meter.bar(progressed.done / progressed.total, BAR_CELLS) + Content(told))
        return lines or [Content.styled("Beginning …", "$foreground 70%")]

    # Actions

    def action_section(self, step: int) -> None:
        """Show the section before or after."""
        self.sections.step(step)

    def action_open(self) -> None:
        """Look at all of a run."""
        from edgellm_tui.screens.evaluation import EvaluationScreen

        row = self.chosen
        if isinstance(row, EvalRow) and row.run is not None:
            self.app.push_screen(EvaluationScreen(self.edge, row.run))

    @work(exclusive=True, group="dialog")
    async def action_new(self) -> None:
        """Fill in a form and begin."""
        from edgellm_tui.screens.evaluate_dialogs import NewEvaluation

        try:
            offers = await read_offers(self.edge)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        wanted, trouble = self._wanted, None
        while filled := await self.app.push_screen_wait(NewEvaluation(offers, wanted, trouble)):
            wanted = self._wanted = filled
            against = (wanted.against,) if wanted.against else ()
            try:
                job = await self.edge.evals.run(
                    wanted.suites, on=wanted.on, against=against, judge=wanted.judge or None
                )
            except EdgeLLMError as error:
                trouble = error
                continue
            self._watch(job)
            return

    def _watch(self, job: StoredJob) -> None:
        self._begun = job.id
        self.post_message(JobBegan(job))
        self.sections.action_choose("runs")

    @work(exclusive=True, group="dialog")
    async def action_blind(self) -> None:
        """Judge the answers of the highlighted run blindly."""
        from edgellm_tui.screens.blind import BlindScreen

        row = self.chosen
        if row is None:
            return
        try:
            blind = await self.edge.evals.blind(row.name)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        else:
            self.app.push_screen(BlindScreen(blind))

    @work(group="stop")
    async def action_stop(self) -> None:
        """End it; what was answered is kept."""
        if row := self.chosen:
            self.notify("It stops; r goes on, and asks nothing twice", markup=False)
            await self._changed(self.edge.jobs.cancel(row.name))

    @work(group="resume")
    async def action_resume(self) -> None:
        """Go on where it ended."""
        if row := self.chosen:
            await self._changed(self.edge.jobs.resume(row.name))

    async def _changed(self, change: Awaitable[StoredJob]) -> None:
        try:
            job = await change
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        if job.is_active:
            self._watch(job)
        self.renew()

    async def action_leave(self) -> None:
        """Back to the chat."""
        await self.app.run_action("page('chat')")
