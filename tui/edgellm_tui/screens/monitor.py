"""The monitor page: what was asked, how it was answered, and whether that changes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from edgellm.errors import EdgeLLMError, RequestCancelled
from edgellm.safetext import clean_line
from edgellm_tui.commands import bindings
from edgellm_tui.export import new_file_name, write_new
from edgellm_tui.messages import Refused
from edgellm_tui.monitored import Line, explained, facts_shown, head, lines_of, summary
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.render import meter
from edgellm_tui.screens.listing import RowsPage
from edgellm_tui.widgets.sections import Sections
from edgellm_tui.widgets.share_chart import ShareChart

if TYPE_CHECKING:
    from edgellm.monitor.values import Monitored

SECTIONS = {"topics": "Topics", "rates": "Rates", "ratings": "Ratings", "latency": "Latency", "drift": "Drift"}
PERIODS = (7, 30, 90)
FRAME_S = 0.25
"""Time between two drawings of how far a report is."""
EVERYONE, HERE = "everyone", "this computer"
BAR_CELLS = 16


class MonitorPage(RowsPage[Line]):
    """A summary above, one of five lists below; a report is made once and kept until it is asked for again."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("monitor")
    ENTER = "details"
    NEED_AN_ITEM = frozenset({"details"})

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(edge, preferences, id=id)
        self._state = Static(id="monitor-state", markup=False)
        self._said = Static(id="monitor-said", markup=False)
        self._head = Static(id="monitor-head", markup=False)
        self._chart = ShareChart(id="monitor-chart")
        self._sections = Sections(SECTIONS, "topics", id="monitor-sections")
        self._days = PERIODS[1]
        self._tenant: str | None = None
        self._who = EVERYONE
        self._found: Monitored | None = None
        self._made_at = 0.0
        self._work: object | None = None
        """Stands for the report that is being made; None: none is."""
        self._progress = ("", 0, 0)

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self._state
        yield self._sections
        yield self._said
        yield self._chart
        yield self._head
        yield self.list

    def on_mount(self) -> None:
        """Progress is drawn at its own pace."""
        self._chart.show_nothing()
        self.set_interval(FRAME_S, self._draw_state)

    def on_unmount(self) -> None:
        """A report that nobody waits for any more ends at its next step."""
        self._work = None

    def focus_default(self) -> None:
        """Keys act on the highlighted line; the first time the page is shown a report is made."""
        self.screen.set_focus(self.list)
        if self._work is None:
            self.renew()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys are shown where they do something."""
        if action == "write":
            return self._found is not None
        return super().check_action(action, parameters)

    # The report

    async def read(self) -> None:
        """Make a report where there is none, and show it."""
        if self._found is None:
            await self._make()
        self._show()

    async def _make(self) -> None:
        work = self._work = object()
        self._progress = ("Reading questions", 0, 0)
        self._show()
        try:
            found = await self.edge.monitor.report(self._days, self._tenant, on_progress=partial(self._told, work))
        except RequestCancelled:
            return  # another one was asked for meanwhile
        finally:
            if self._work is work:
                self._work = None
        self._found, self._made_at = found, monotonic()

    def _told(self, work: object, doing: str, done: int, total: int) -> None:
        """Called by the thread that makes the report. Raises: RequestCancelled when nobody waits for it any more."""
        if self._work is not work:
            raise RequestCancelled("Another report was asked for.")
        self._progress = (doing, done, total)

    def _again(self) -> None:
        self._found, self._work = None, None
        self.renew()

    # The screen

    @on(Sections.Chosen)
    def _section_chosen(self) -> None:
        self._show()

    def on_resize(self, _event: Resize) -> None:
        """Lines are as wide as the list."""
        self._show()

    def _show(self) -> None:
        """The chosen section of the report."""
        self._draw_state()
        found, section = self._found, self._sections.chosen
        width = self.list.size.width - 2
        self.fill([] if found is None else lines_of(section, found, width))
        self._head.update(head(section, width))
        self._head.display = bool(self._items) and section in ("topics", "ratings", "latency")
        self._said.update(
            Content.styled("" if found is None else clean_line(explained(section, found)), "$foreground 70%")
        )
        self._said.display = found is not None and bool(explained(section, found))
        if found is not None and section == "rates":
            self._chart.show_days(found.days)
        elif found is not None and section == "ratings":
            self._chart.show_weeks(found.weeks)
        else:
            self._chart.show_nothing()

    def _draw_state(self) -> None:
        width = max(self.size.width - 6, 20)
        first = Content.assemble(
            (f"{self._days} days", "bold"),
            ("   ", ""),
            (clean_line(self._who), "bold"),
            (f"   {self._age()}", "$foreground 55%"),
        )
        second = self._doing() if self._work is not None else summary(self._found) if self._found else Content("")
        self._state.update(Content("\n").join([line.truncate(width, ellipsis=True) for line in (first, second)]))

    def _age(self) -> str:
        if self._found is None:
            return ""
        age = meter.ago(monotonic() - self._made_at)
        return "made just now" if age == "just now" else f"made {age} ago"

    def _doing(self) -> Content:
        doing, done, total = self._progress
        said = Content.styled(f"◐ {clean_line(doing)}", "$text-warning")
        if not total:
            return said
        return said + Content(" ") + meter.bar(done / total, BAR_CELLS) + Content(f" {done:,} of {total:,}")

    # Actions

    def action_section(self, step: int) -> None:
        """Show the section before or after."""
        self._sections.step(step)

    def action_period(self) -> None:
        """Look at the next longer time; after the longest comes the shortest."""
        self._days = PERIODS[(PERIODS.index(self._days) + 1) % len(PERIODS)]
        self._again()

    def action_renew(self) -> None:
        """Make the report again."""
        self._again()

    @work(exclusive=True, group="dialog")
    async def action_who(self) -> None:
        """Choose whose questions are looked at."""
        from edgellm_tui.screens.dialog import Pick, Row

        try:
            keys = await self.edge.keys.list()
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        names = {"*": EVERYONE, "": HERE} | {key.id: clean_line(key.name) for key in keys}
        rows = [Row(value, Content(name)) for value, name in names.items()]
        chosen = await self.app.push_screen_wait(
            Pick("Whose questions", rows, "*" if self._tenant is None else self._tenant)
        )
        if chosen is not None:
            self._tenant, self._who = (None if chosen == "*" else chosen), names[chosen]
            self._again()

    @work(exclusive=True, group="dialog")
    async def action_write(self) -> None:
        """Write the report to a new file: one page, or Markdown by the ending of its name."""
        from edgellm_tui.screens.dialog import AskLine

        found = self._found
        if found is None:
            return
        name = await self.app.push_screen_wait(
            AskLine("Write the report to", new_file_name("monitor", "html"), "FILE.html")
        )
        if not name:
            return
        try:
            page = await self.edge.monitor.page(found, "markdown" if Path(name).suffix == ".md" else "html")
            path = await write_new(name, page.encode())
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        self.notify(f"Written to {clean_line(str(path))}", markup=False)

    def action_details(self) -> None:
        """Show all that is known of the highlighted line."""
        from edgellm_tui.screens.dialog import Reading

        if self.chosen is not None:
            self.app.push_screen(Reading(SECTIONS[self._sections.chosen], facts_shown(self.chosen.facts)))

    async def action_leave(self) -> None:
        """Back to the chat."""
        await self.app.run_action("page('chat')")
