"""The row browser: the rows of a dataset a page at a time, searched, with where each comes from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui.commands import bindings
from edgellm_tui.data_rows import RowLine, RowPages, View, views
from edgellm_tui.messages import Refused
from edgellm_tui.ports import Edge
from edgellm_tui.render.row import list_line, row_content
from edgellm_tui.widgets.fields import LineField
from edgellm_tui.widgets.status import KeyLine

if TYPE_CHECKING:
    from edgellm_tui.app import EdgeApp

SEARCH_AFTER_S = 0.15
"""Pause in typing after which a search begins."""


class RowList(OptionList, inherit_bindings=False):
    """A list that says when the arrows would leave it; left and right are the screen's."""

    BINDINGS: ClassVar[list[BindingType]] = OptionList.BINDINGS

    class Left(Message):
        """The page before (-1) or after (1) is wanted."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def action_cursor_down(self) -> None:
        """One row down; from the last one to the page after."""
        if not self._is_at(self.option_count - 1, 1):
            super().action_cursor_down()

    def action_cursor_up(self) -> None:
        """One row up; from the first one to the page before."""
        if not self._is_at(0, -1):
            super().action_cursor_up()

    def action_page_down(self) -> None:
        """A screenful down; from the last row to the page after."""
        if not self._is_at(self.option_count - 1, 1):
            super().action_page_down()  # type: ignore[no-untyped-call]

    def action_page_up(self) -> None:
        """A screenful up; from the first row to the page before."""
        if not self._is_at(0, -1):
            super().action_page_up()  # type: ignore[no-untyped-call]

    def _is_at(self, edge: int, step: int) -> bool:
        if self.highlighted == edge:
            self.post_message(self.Left(step))
        return self.highlighted == edge


class RowBrowser(Screen[None]):
    """Views above (splits, dropped rows), list left, the whole row right or below."""

    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 - Textual declares it so
    BINDINGS: ClassVar[list[BindingType]] = bindings("rows")
    IS_LEFT_AT_ONCE = True
    AUTO_FOCUS = "#rows-list"
    app: EdgeApp

    def __init__(self, edge: Edge, name: str) -> None:
        super().__init__()
        self.head = Static(id="rows-title", markup=False)
        self.field = LineField(
            placeholder="Find words in the rows", id="rows-field", classes="page-field", compact=True
        )
        self.field.display = False
        self.list = RowList(id="rows-list", classes="page-list", compact=True)
        self.detail = VerticalScroll(id="rows-detail")
        self.text = Static(id="rows-text", markup=False)
        self._edge = edge
        self._dataset = name
        self._views: Sequence[View] = ()
        self._view = 0
        self._page = 0
        self._rows: Sequence[RowLine] = ()
        self._pages: RowPages | None = None

    def compose(self) -> ComposeResult:
        """Title, search, list and row, keys."""
        yield self.head
        yield self.field
        with Horizontal(classes="split"):
            yield self.list
            with self.detail:
                yield self.text
        yield KeyLine(id="rows-keys")

    def on_mount(self) -> None:
        """Verify the dataset and show its first rows."""
        self.list.loading = True
        self._open()

    def on_unmount(self) -> None:
        """Searches end."""
        if self._pages is not None:
            self._pages.stop()

    @work
    async def _open(self) -> None:
        try:
            self._views = views(await self._edge.datasets.show(self._dataset))
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            self._close()
            return
        self._begin()

    # What is shown

    def _begin(self) -> None:
        """Show the first page of the view, with the words that are searched."""
        if self._pages is not None:
            self._pages.stop()
        self._pages = RowPages(self._views[self._view].path, self.field.value)
        self._turn(0)

    @work(exclusive=True, group="page")
    async def _turn(self, page: int, *, is_upwards: bool = False) -> None:
        pages = self._pages
        assert pages is not None  # there is a view to turn
        self._draw_title(is_searching=True)
        self.list.loading = page == 0
        try:
            rows = await asyncio.to_thread(pages.page, page)
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            rows = []
        self.list.loading = False
        if rows or page == 0:
            self._page = page
            self._show(rows, len(rows) - 1 if is_upwards else 0)
        self._draw_title()

    def _show(self, rows: Sequence[RowLine], highlighted: int) -> None:
        self._rows = rows
        self.list.clear_options()
        self.list.add_options([Option(list_line(row)) for row in rows])
        self.list.highlighted = highlighted if rows else None
        if not rows:
            nothing = "No row holds these words." if self.field.value.strip() else "There is no row here."
            self.text.update(Content.styled(nothing, "$foreground 60%"))

    @on(OptionList.OptionHighlighted)
    @work(exclusive=True, group="row")
    async def _detail(self) -> None:
        index, pages = self.list.highlighted, self._pages
        if index is None or index >= len(self._rows) or pages is None:
            return
        try:
            row = await asyncio.to_thread(pages.row, self._rows[index])
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        self.text.update(row_content(row))
        self.detail.scroll_home(animate=False)

    def _draw_title(self, *, is_searching: bool = False) -> None:
        parts = [Content.styled(f" {clean_line(self._dataset)}", "bold $primary")]
        for number, view in enumerate(self._views):
            look = "bold $primary underline" if number == self._view else "$foreground 55%"
            parts.append(Content.styled(f"{view.name} {view.rows:,}", look))
        where = "searching…" if is_searching and self.field.value.strip() else self._where()
        parts.append(Content.styled(where, "$foreground 55%"))
        title = Content("   ").join(parts).truncate(max(self.size.width, 1), ellipsis=True)
        self.head.update(title)

    def _where(self) -> str:
        if not self._rows:
            return ""
        return f"rows {self._rows[0].number:,} to {self._rows[-1].number:,}"

    # Searching

    @on(Input.Changed)
    @work(exclusive=True, group="search")
    async def _typed(self) -> None:
        await asyncio.sleep(SEARCH_AFTER_S)
        if self._views:
            self._begin()

    @on(Input.Submitted)
    def _found(self) -> None:
        self.set_focus(self.list)

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Letters are the line's while words are typed."""
        return not (self.field.has_focus and action in ("filter", "view", "page"))

    @on(RowList.Left)
    def _left(self, event: RowList.Left) -> None:
        if self._page + event.step >= 0:
            self._turn(self._page + event.step, is_upwards=event.step < 0)

    def action_page(self, step: int) -> None:
        """Show the page before or after."""
        if self._pages is not None and self._page + step >= 0:
            self._turn(self._page + step)

    def action_view(self, step: int) -> None:
        """Show another split, or the dropped rows."""
        if self._views:
            self._view = (self._view + step) % len(self._views)
            self._begin()

    def action_filter(self) -> None:
        """Type words that rows must hold."""
        self.field.display = True
        self.set_focus(self.field)

    def action_read(self) -> None:
        """Let the arrows scroll the row, or move in the list again."""
        self.set_focus(self.detail if self.list.has_focus else self.list)

    def action_leave(self) -> None:
        """Clear the search, or close."""
        if self.field.display:
            self.field.value = ""
            self.field.display = False
            self.set_focus(self.list)
        else:
            self.workers.cancel_node(self)
            self._close()

    def _close(self) -> None:
        self.pop_until_active()  # the help may lie above
        self.dismiss(None)
