"""The data page: datasets, what is in them, and how new ones are made."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui.commands import bindings
from edgellm_tui.datasets import HEAD, DamagedRow, DatasetRow
from edgellm_tui.examples import Examples
from edgellm_tui.messages import JobBegan, Refused
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.screens.listing import RowsPage

EMPTY = (
    "There is no dataset yet.",
    "",
    "A model learns from examples: questions with the answers you want. Press a to add a file of them (JSONL, JSON, "
    "CSV, TSV, Parquet, text, Markdown), a folder of texts, or your own chats. Or press f: a model writes examples "
    "from your texts, and you decide on each with v.",
    "",
    "You see what was found in it before anything is written. Nothing leaves this computer.",
)


class DataPage(RowsPage[DatasetRow | DamagedRow]):
    """List left, what is in the dataset right (below on narrow screens)."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("data")
    ENTER = "rows"
    NEED_AN_ITEM = frozenset({"rows", "delete"})

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(edge, preferences, id=id)
        self.details = VerticalScroll(id="data-details")
        self.text = Static(id="data-text", markup=False)

    def compose(self) -> ComposeResult:
        """List and details."""
        with Horizontal(classes="split"):
            with Vertical(id="data-list"):
                yield Static(HEAD, id="data-head", markup=False)
                yield self.list
            with self.details:
                yield self.text

    def focus_default(self) -> None:
        """Keys act on the list, which is read again each time the page is shown."""
        self.screen.set_focus(self.list)
        self.renew()

    async def read(self) -> None:
        """All datasets, by name; those that cannot be read last."""
        found, damaged = await self.edge.datasets.list(), await self.edge.datasets.damaged()
        self.fill([*map(DatasetRow, found), *map(DamagedRow, damaged)])
        self._detail()

    def on_resize(self) -> None:
        """Lines are broken anew."""
        self._detail()

    @on(OptionList.OptionHighlighted)
    def _detail(self) -> None:
        width = max(self.details.container_size.width - 5, 20)
        dim = "$foreground 70%"
        lines = self.chosen.details(width) if self.chosen else [Content.styled(x, dim) for x in EMPTY]
        self.text.update(Content("\n").join(lines))

    def action_rows(self) -> None:
        """Look at the rows of the highlighted dataset."""
        from edgellm_tui.screens.rows import RowBrowser

        if row := self.chosen:
            self.app.push_screen(RowBrowser(self.edge, row.name))

    @work(exclusive=True, group="dialog")
    async def action_add(self) -> None:
        """Find examples, look at what they are, build."""
        from edgellm_tui.screens.report import ReportScreen
        from edgellm_tui.screens.source import PickSource

        source = await self.app.push_screen_wait(PickSource())
        if not source:
            return
        built = await self.app.push_screen_wait(ReportScreen(self.edge, Examples().with_source(source)))
        if built:
            self.notify(f"Built {clean_line(built)}", markup=False)
            self.renew()
            await self._reading.wait()
            self._highlight(built)

    @work(exclusive=True, group="dialog")
    async def action_draft(self) -> None:
        """Let the default model write examples from a text or a folder of texts."""
        from edgellm_tui.screens.dialog import AskLine
        from edgellm_tui.screens.source import PickSource

        source = await self.app.push_screen_wait(PickSource("Draft from a text or a folder", offers_chats=False))
        if not source:
            return
        examples, model = Examples().with_source(source), self.preferences.default_model
        try:
            proposed = examples.proposed_name([drafts.name for drafts in await self.edge.drafts.list()])
            title = f"Name of the drafts, which {model} writes"
            if name := await self.app.push_screen_wait(AskLine(title, proposed)):
                self.post_message(JobBegan(await self.edge.drafts.start(examples.files, name, model)))
        except EdgeLLMError as error:
            self.post_message(Refused(error))

    @work(exclusive=True, group="dialog")
    async def action_review(self) -> None:
        """Choose drafts and decide on their pairs."""
        from edgellm_tui.screens.review import PickDrafts, ReviewScreen

        try:
            found = await self.edge.drafts.list()
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        if not found:
            self.notify("There are no drafts yet; f writes some from your texts", markup=False)
        elif name := await self.app.push_screen_wait(PickDrafts(found)):
            await self.app.push_screen_wait(ReviewScreen(self.edge, name))

    def _highlight(self, name: str) -> None:
        names = [row.name for row in self._items]
        if name in names:
            self.list.highlighted = names.index(name)

    @work(exclusive=True, group="dialog")
    async def action_delete(self) -> None:
        """Delete the highlighted dataset, after a question."""
        from edgellm_tui.screens.dialog import Confirm

        if row := self.chosen:
            consequence = "Its rows are deleted from this computer. The files it was made from stay."
            if await self.app.push_screen_wait(Confirm(f"Delete the dataset {row.name}?", consequence)):
                await self.change(self.edge.datasets.remove(row.name))

    async def action_leave(self) -> None:
        """Back to the chat."""
        await self.app.run_action("page('chat')")
