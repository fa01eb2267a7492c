"""The improve page: the loop's stages, and the versions that came of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.worker import Worker

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui.commands import bindings
from edgellm_tui.improving import HEAD, LoopState, VersionRow, doing, evidence_lines, scores, stages, version_rows
from edgellm_tui.messages import JobBegan, Refused
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.screens.listing import RowsPage
from edgellm_tui.wording import in_app

if TYPE_CHECKING:
    from edgellm.store.records import StoredJob

LOOK_EVERY_S = 1.0
NO_ALIAS = (
    "There is no alias yet: a name that clients ask for, whatever version stands behind it. In a terminal, "
    "edgellm aliases set assistant MODEL makes one. Then its users' corrections can make the next version."
)


class ImprovePage(RowsPage[VersionRow]):
    """Stages above, versions below, the chosen version's scores at the end."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("improve")
    ENTER = "evidence"
    NEED_AN_ITEM = frozenset({"evidence", "report", "promote", "roll_back"})

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(edge, preferences, id=id)
        self._names: list[str] = []
        self._alias = ""
        self._state = LoopState()
        self._ended_run = ""
        """Whose version is highlighted when the list is next read."""
        self._looking: Worker[None] | None = None
        self._aliases = Static(id="improve-aliases", markup=False)
        self._stages = Static(id="improve-stages", markup=False)
        self._doing = Static(id="improve-doing", markup=False)
        self._head = Static(HEAD, id="improve-head", markup=False)
        self._scores = Static(id="improve-scores", markup=False)

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self._aliases
        yield self._stages
        yield self._doing
        yield self._head
        yield self.list
        yield self._scores

    def on_mount(self) -> None:
        """The run is looked at once a second while the page is shown."""
        self.set_interval(LOOK_EVERY_S, self._tick)

    def focus_default(self) -> None:
        """Keys act on the highlighted version; the list is read again each time the page is shown."""
        self.screen.set_focus(self.list)
        self.renew()

    async def read(self) -> None:
        """The aliases, and all versions of the chosen one."""
        self._names = [alias.name for alias in await self.edge.aliases.list()]
        if self._alias not in self._names:
            self._alias = self._names[0] if self._names else ""
        alias = self._alias
        versions = await self.edge.improve.history(alias) if alias else []
        state = await self._look_at(alias)
        if alias != self._alias:
            return  # another was chosen meanwhile
        self._state = state
        self.fill(version_rows(versions, time.time()))
        self._highlight_version()
        self._draw()

    def _highlight_version(self) -> None:
        """What a run made is what the next key means."""
        made = [at for at, row in enumerate(self._items) if self._ended_run and row.version.run == self._ended_run]
        if made:
            self.list.highlighted = made[0]
        self._ended_run = ""

    def _tick(self) -> None:
        is_busy = self._looking is not None and not self._looking.is_finished
        if self.display and self.screen.is_active and self._alias and not is_busy:
            self._looking = self._look()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        alias, before = self._alias, self._state
        try:
            state = await self._look_at(alias)
        except EdgeLLMError:
            return  # the next look may do; reading the page says what is wrong
        if alias != self._alias:
            return
        self._state = state
        if before.is_active and not state.is_active:
            self._announce(state)
            self._ended_run = state.run.id if state.run else ""
            self.renew()
        self._draw()

    async def _look_at(self, alias: str) -> LoopState:
        if not alias:
            return LoopState()
        runs = await self.edge.improve.list(alias)
        job = await self.edge.improve.running(alias)
        run = next((each for each in runs if job is None or each.id == job.id), None)
        if job is None and run is not None:
            job = await self.edge.jobs.get(run.id)
        event = await self.edge.jobs.latest(job.id) if job is not None and job.is_active else None
        return LoopState(run, job, event)

    def _announce(self, state: LoopState) -> None:
        run = state.run
        if run is not None and run.current is None:
            said = "passed the gate: p lets it go live" if run.passed else "did not pass the gate"
            self.notify(f"{clean_line(run.request.target)} {said}", markup=False)

    @on(OptionList.OptionHighlighted)
    def _draw(self) -> None:
        state = self._state
        self._head.display = bool(self._items)
        if not self._alias:
            self._aliases.update(Content.styled(NO_ALIAS, "$foreground 70%"))
            for each in (self._stages, self._doing, self._scores):
                each.update("")
            return
        self._aliases.update(Content("   ").join([self._tab(name) for name in self._names]))
        self._stages.update(stages(state))
        said = in_app(state.job.message) if state.job is not None and state.job.message else ""
        starting = Content.styled("It begins …", "$primary") if state.is_active and state.run is None else None
        self._doing.update(starting or doing(state, said))
        self._scores.update(Content("\n").join(scores(self.chosen.version if self.chosen else None)))

    def _tab(self, name: str) -> Content:
        return Content.styled(clean_line(name), "bold $primary underline" if name == self._alias else "$foreground 55%")

    # Actions

    def action_alias(self, step: int) -> None:
        """Show the alias before or after."""
        if self._names:
            at = self._names.index(self._alias) if self._alias in self._names else 0
            self._alias = self._names[(at + step) % len(self._names)]
            self._state = LoopState()
            self.renew()

    @work(exclusive=True, group="dialog")
    async def action_new(self) -> None:
        """Show the plan, and begin."""
        from edgellm_tui.screens.improve_dialogs import ImprovePlanDialog

        alias = self._alias
        if not alias:
            self.notify("There is no alias to be improved", markup=False)
        elif await self.app.push_screen_wait(ImprovePlanDialog(self.edge, alias)):
            try:
                self._began(await self.edge.improve.begin(alias))
            except EdgeLLMError as error:
                self.post_message(Refused(error))

    def _began(self, job: StoredJob) -> None:
        self.post_message(JobBegan(job))
        self.renew()

    @work(group="stop")
    async def action_stop(self) -> None:
        """End the run; what was done stays."""
        job = self._state.job
        if job is None or not job.is_active:
            self.notify("Nothing is running", markup=False)
            return
        self.notify("It stops; r goes on where it was", markup=False)
        await self.change(self.edge.jobs.cancel(job.id))

    @work(group="resume")
    async def action_resume(self) -> None:
        """Go on where the run broke off."""
        state = self._state
        if state.run is None or not state.is_broken:
            self.notify("Only a run that was stopped or broke off can go on", markup=False)
            return
        try:
            self._began(await self.edge.improve.resume(state.run.id))
        except EdgeLLMError as error:
            self.post_message(Refused(error))

    @work(exclusive=True, group="dialog")
    async def action_promote(self) -> None:
        """Let the highlighted version go live, after a question; one that was live before, again."""
        from edgellm_tui.screens.dialog import Confirm

        version = self.chosen.version if self.chosen else None
        if version is None or not version.run or version.state not in ("proposed", "earlier"):
            self.notify("Only a version that passed the gate, and is not live, can go live here", markup=False)
            return
        consequence = "The next request of every client goes to it; u goes back."
        if await self.app.push_screen_wait(Confirm(f"Let {version.target} be {self._alias}?", consequence)):
            await self.change(self.edge.improve.promote(version.run))

    @work(exclusive=True, group="dialog")
    async def action_roll_back(self) -> None:
        """Let the alias stand for what it stood for before, after a question that names both."""
        from edgellm_tui.screens.dialog import Confirm

        alias = self._alias
        if not alias:
            self.notify("There is no alias to roll back", markup=False)
            return
        try:
            asked = await self.edge.promotion.back(alias)
            consequence = f"From {asked.before}\nback to {asked.target},\nat once and for all clients."
            if not await self.app.push_screen_wait(Confirm(f"Roll {alias} back?", consequence)):
                return
            if await self.edge.promotion.back(alias) != asked:
                self.notify(f"{clean_line(alias)} stands for something else by now: u asks again", markup=False)
                self.renew()
                return
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        if await self.change(self.edge.promotion.rollback(alias)):
            self.notify(f"{clean_line(alias)} is {clean_line(asked.target)} again", markup=False)

    @work(exclusive=True, group="dialog")
    async def action_evidence(self) -> None:
        """The corrected questions with the answers before and after."""
        from edgellm_tui.screens.dialog import Reading

        version = self.chosen.version if self.chosen else None
        if version is None or not version.evaluation:
            self.notify("The loop has not measured this version", markup=False)
            return
        try:
            found = await self.edge.improve.evidence(version.run)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        self.app.push_screen(Reading(f"What {version.target} learnt", evidence_lines(found, version)))

    def action_report(self) -> None:
        """Open the report in the browser."""
        version = self.chosen.version if self.chosen else None
        if version is None or not version.report:
            self.notify("There is no report of this version", markup=False)
            return
        self.app.open_url(Path(version.report).as_uri())
        self.notify(f"The report is {clean_line(version.report)}", markup=False)

    async def action_leave(self) -> None:
        """Back to the chat."""
        await self.app.run_action("page('chat')")
