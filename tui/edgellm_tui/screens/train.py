"""The training page: runs, and the curve of the chosen one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextlib import aclosing
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import OptionList, Static

from edgellm.errors import EdgeLLMError, InvalidInput
from edgellm_tui.commands import bindings
from edgellm_tui.curve import Curve
from edgellm_tui.messages import JobBegan, Refused
from edgellm_tui.new_run import NONE_CAN_LEARN, Wanted, read_offers
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.runs import HEAD, RESUMABLE, RunRow, run_row
from edgellm_tui.screens.listing import RowsPage
from edgellm_tui.widgets.run_view import RunView

if TYPE_CHECKING:
    from edgellm.store.records import StoredJob

LOOK_AFTER_S = 0.1
"""How long a run has to be highlighted before its events are read."""
FRAME_S = 0.25
"""Time between two drawings of a curve that grows."""


class TrainPage(RowsPage[RunRow]):
    """List left, curve and numbers right (below on narrow screens)."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("train")
    ENTER = "compare"
    NEED_AN_ITEM = frozenset({"compare", "stop", "resume"})

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(edge, preferences, id=id)
        self._view = RunView(id="run")
        self._curve = Curve()
        self._followed = ""
        """Id of the job whose curve this is; empty: none."""
        self._drawn = 0
        """Version of the curve on the screen."""
        self._begun = ""
        """Id of a job that is to be highlighted when the list is read."""

    def compose(self) -> ComposeResult:
        """List and the chosen run."""
        with Horizontal(classes="split"):
            with Vertical(id="runs-list"):
                yield Static(HEAD, id="runs-head", markup=False)
                yield self.list
            yield self._view

    def on_mount(self) -> None:
        """Curves are drawn at their own pace, not with every event."""
        self.set_interval(FRAME_S, self._draw_changes)

    def focus_default(self) -> None:
        """Keys act on the highlighted run; the list is read again each time the page is shown."""
        self.screen.set_focus(self.list)
        self.renew()

    async def read(self) -> None:
        """All runs, newest first."""
        jobs, now = await self.edge.training.list(), time.time()
        self.fill([run_row(job, now) for job in jobs])
        names = [job.id for job in jobs]
        if self._begun in names:
            self.list.highlighted, self._begun = names.index(self._begun), ""
        self._show()

    @on(OptionList.OptionHighlighted)
    def _show(self) -> None:
        """Follow the highlighted run, unless it is followed already."""
        name = self.chosen.name if self.chosen else ""
        if name != self._followed:
            self._followed, self._curve = name, Curve()
            self._follow(name)
        self._draw()

    @work(exclusive=True, group="run")
    async def _follow(self, job_id: str) -> None:
        await asyncio.sleep(LOOK_AFTER_S)
        if not job_id:
            return
        curve = self._curve
        try:
            async with aclosing(self.edge.jobs.follow(job_id)) as events:
                async for event in events:
                    curve.note(event)
                    if self.chosen is not None and self.chosen.name == job_id and self.chosen.state == "queued":
                        self.renew()  # it says something: it does not wait any more
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        self._draw()
        if self.chosen is not None and self.chosen.is_active:
            self.renew()

    def _draw_changes(self) -> None:
        if self._drawn != self._curve.version:
            self._draw()

    def _draw(self) -> None:
        self._drawn = self._curve.version
        self._view.show(self.chosen, self._curve)

    # Actions

    @work(exclusive=True, group="dialog")
    async def action_new(self) -> None:
        """Fill in a form, see the plan, begin."""
        from edgellm_tui.screens.train_dialogs import NewRun, PlanDialog

        try:
            offers = await read_offers(self.edge)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        if not offers.bases:
            self.notify(NONE_CAN_LEARN, severity="warning", markup=False)
            return
        wanted: Wanted | None = None
        trouble: InvalidInput | None = None
        while wanted := await self.app.push_screen_wait(NewRun(offers, wanted, trouble)):
            answer = await self.app.push_screen_wait(PlanDialog(self.edge, wanted))
            if answer is True:
                run = (wanted.data, wanted.base, wanted.name, wanted.settings)
                await self._begin(self.edge.training.start(*run, columns=wanted.columns))
                return
            trouble = answer if isinstance(answer, InvalidInput) else None

    async def _begin(self, beginning: Awaitable[StoredJob]) -> None:
        try:
            job = await beginning
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        self._begun, self._followed = job.id, ""
        self.post_message(JobBegan(job))
        self.renew()

    @work(group="stop")
    async def action_stop(self) -> None:
        """End after the step it is in."""
        row = self.chosen
        if row is None or not row.is_active:
            self.notify("It is not running", markup=False)
            return
        self.notify("It stops after the step it is in; r resumes it from there", markup=False)
        await self.change(self.edge.jobs.cancel(row.name))

    @work(group="resume")
    async def action_resume(self) -> None:
        """Go on from the last checkpoint."""
        row = self.chosen
        if row is None or row.state not in RESUMABLE:
            self.notify("Only a run that was stopped or failed can be resumed", markup=False)
            return
        await self._begin(self.edge.jobs.resume(row.name))

    def action_compare(self) -> None:
        """Ask the model before and after what it learnt."""
        from edgellm_tui.screens.compare import CompareScreen

        row = self.chosen
        if row is None or not row.model:
            self.notify("There is nothing to ask yet: the run has not finished", markup=False)
        else:
            self.app.push_screen(CompareScreen(self.edge, row.base, row.model))

    async def action_leave(self) -> None:
        """Back to the chat."""
        await self.app.run_action("page('chat')")
