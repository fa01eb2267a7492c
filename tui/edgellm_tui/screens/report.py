"""The check report: what a dataset of some files would be, before anything is written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from edgellm.errors import EdgeLLMError
from edgellm.events import JobEvent, Progressed
from edgellm.safetext import clean_line
from edgellm_tui.commands import bindings
from edgellm_tui.errors import report as told
from edgellm_tui.examples import PERSONAL, Examples
from edgellm_tui.ports import Edge
from edgellm_tui.render.report import report_lines
from edgellm_tui.screens.source import PickSource
from edgellm_tui.widgets.status import KeyLine

if TYPE_CHECKING:
    from edgellm.data.report import Report


class Stopped(Exception):
    """Raised into the work that nobody waits for any more."""


class Progress(Message):
    """The work went on."""

    def __init__(self, watch: Watch, event: JobEvent) -> None:
        super().__init__()
        self.watch = watch
        self.event = event


class Watch:
    """Called by the thread that works: posts how far it is, and ends it once it was stopped."""

    def __init__(self, screen: ReportScreen, doing: str) -> None:
        self._screen = screen
        self._is_stopped = False
        self.doing = doing

    def stop(self) -> None:
        """End the work at its next sign of life."""
        self._is_stopped = True

    def __call__(self, event: JobEvent) -> None:
        if self._is_stopped:
            raise Stopped
        self._screen.post_message(Progress(self, event))


class ReportScreen(Screen[str]):
    """Checks, shows what was found, and builds; answers with the name of the dataset that was built."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("report")
    AUTO_FOCUS = "#report-scroll"

    def __init__(self, edge: Edge, examples: Examples) -> None:
        super().__init__()
        self.head = Static(id="report-title", markup=False)
        self.text = Static(id="report-text", markup=False)
        self.foot = Static(id="report-status", markup=False)
        self._edge = edge
        self._examples = examples
        self._report: Report | None = None
        self._watch: Watch | None = None
        self._status = ""
        self._trouble = ""

    def compose(self) -> ComposeResult:
        """Title, report, what happens now, keys."""
        yield self.head
        with VerticalScroll(id="report-scroll"):
            yield self.text
        yield self.foot
        yield KeyLine(id="report-keys")

    def on_mount(self) -> None:
        """Begin to read."""
        self._check()

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._begin(None)

    def on_resize(self) -> None:
        """Lines are broken anew."""
        self._draw()

    # Work

    def _begin(self, watch: Watch | None) -> None:
        """Watch other work, or none; what was watched before ends."""
        if self._watch is not None:
            self._watch.stop()
        self._watch = watch
        self._status = watch.doing if watch else ""

    @work(exclusive=True, group="report")
    async def _check(self) -> None:
        watch = Watch(self, "Reading the examples…")
        self._begin(watch)
        self._report, self._trouble = None, ""
        self._draw()
        examples = self._examples
        try:
            self._report = await self._edge.datasets.check(examples.files, **examples.options, on_event=watch)
        except EdgeLLMError as error:
            self._trouble = told(error)
        except Stopped:
            return
        self._begin(None)
        self._draw()

    @work(exclusive=True, group="report")
    async def _build(self, name: str, *, is_replacing: bool) -> None:
        watch = Watch(self, f"Building {name}…")
        self._begin(watch)
        self._trouble = ""
        self._draw()
        examples = self._examples
        try:
            await self._edge.datasets.build(
                examples.files, name, replace=is_replacing, **examples.options, on_event=watch
            )
        except EdgeLLMError as error:
            self._trouble = told(error)
        except Stopped:
            return
        else:
            self._close(name)
            return
        self._begin(None)
        self._draw()

    @on(Progress)
    def _progressed(self, event: Progress) -> None:
        if event.watch is self._watch and isinstance(event.event, Progressed):
            found = event.event
            rate = f"   {found.rate:,.0f} a second" if found.rate else ""
            self._status = f"{event.watch.doing}   {found.done:,.0f} rows{rate}   {clean_line(found.note)}"
            self._draw_status()

    # Drawing

    def _draw(self) -> None:
        title = Content.assemble((" Before a dataset is built", "bold $primary"), (f"   {self._examples.title}", ""))
        self.head.update(title.truncate(max(self.size.width, 1), ellipsis=True))
        width = max(self.size.width - 5, 20)  # padding and scrollbar
        lines = report_lines(self._report, width) if self._report else []
        self.text.update(Content("\n").join(lines))
        self._draw_status()
        self.refresh_bindings()

    def _draw_status(self) -> None:
        if self._trouble:
            text = Content.styled(clean_line(self._trouble), "$text-error")
        elif self._status:
            text = Content.styled(self._status, "$foreground 80%")
        elif self._report is not None and self._report.can_be_built:
            text = Content.styled("Nothing is written yet. Enter builds the dataset.", "$foreground 70%")
        else:
            text = Content.styled("Nothing was written.", "$foreground 70%")
        self.foot.update(text)

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Building, adding and measuring wait for the report."""
        if action == "build":
            return self._watch is None and self._report is not None and self._report.can_be_built
        return self._watch is None if action in ("add", "columns", "personal", "measure") else True

    @work(exclusive=True, group="dialog")
    async def action_build(self) -> None:
        """Ask for a name, and build."""
        from edgellm_tui.screens.dialog import AskLine, Confirm

        try:
            taken = {manifest.name for manifest in await self._edge.datasets.list()}
            taken |= {folder.name for folder in await self._edge.datasets.damaged()}
        except EdgeLLMError as error:
            self._trouble = told(error)
            self._draw()
            return
        hint = "letters, digits, dots, dashes and underscores"
        name = await self.app.push_screen_wait(
            AskLine("Name of the dataset", self._examples.proposed_name(taken), hint)
        )
        if not name:
            return
        is_taken = name in taken
        question = Confirm(f"Replace the dataset {name}?", "The one that has this name now is deleted.")
        if not is_taken or await self.app.push_screen_wait(question):
            self._build(name, is_replacing=is_taken)

    @work(exclusive=True, group="dialog")
    async def action_add(self) -> None:
        """Read one more file."""
        source = await self.app.push_screen_wait(PickSource())
        if source:
            self._examples = self._examples.with_source(source)
            self._check()

    @work(exclusive=True, group="dialog")
    async def action_columns(self) -> None:
        """Say which column is what, and read again; an empty line goes by the columns' names."""
        from edgellm_tui.screens.dialog import AskLine

        hint = "prompt=Question,completion=Answer"
        columns = await self.app.push_screen_wait(AskLine("Which column is what", self._examples.columns or "", hint))
        if columns is not None:
            self._examples = replace(self._examples, columns=columns or None)
            self._check()

    @work(exclusive=True, group="dialog")
    async def action_personal(self) -> None:
        """Choose what is done with personal data, and read again."""
        from edgellm_tui.screens.dialog import Pick, Row

        rows = [
            Row(action, Content.assemble((f"{action:<6}", "bold"), (text, "$foreground 70%")))
            for action, text in PERSONAL.items()
        ]
        title = "Personal data: e-mail addresses, phone numbers and the like"
        chosen = await self.app.push_screen_wait(Pick(title, rows, self._examples.personal))
        if chosen:
            self._examples = replace(self._examples, personal=chosen)
            self._check()

    @work(exclusive=True, group="dialog")
    async def action_measure(self) -> None:
        """Choose the model whose tokens rows are measured in, and read again."""
        from edgellm_tui.catalogue import HEAD, installed_rows
        from edgellm_tui.screens.dialog import Pick, Row

        try:
            rows = await installed_rows(self._edge)
        except EdgeLLMError as error:
            self._trouble = told(error)
            self._draw()
            return
        lines = [Row(row.name, row.columns(), row.search) for row in rows if row.is_chat]
        model = await self.app.push_screen_wait(Pick("Measure as this model reads", lines, head=HEAD))
        if model:
            self._examples = replace(self._examples, model=model)
            self._check()

    def action_leave(self) -> None:
        """Stop and close."""
        self.workers.cancel_node(self)
        self._close(None)

    def _close(self, built: str | None) -> None:
        self.pop_until_active()  # the help may lie above
        self.dismiss(built)
