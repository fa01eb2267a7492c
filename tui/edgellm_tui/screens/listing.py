"""Pages around a list, with or without a line to type into: what they have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option
from textual.worker import Worker, WorkerCancelled

from edgellm.errors import EdgeLLMError
from edgellm_tui.messages import Refused
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.widgets.fields import LineField


class Listed(Protocol):
    """Something a list shows."""

    @property
    def name(self) -> str:
        """What it is known by."""

    def line(self) -> Content:
        """How it looks."""


Item = TypeVar("Item", bound=Listed)


class RowsPage(Vertical, Generic[Item]):
    """A list that is read again each time the page is shown; Enter and a click act on the highlighted item."""

    ENTER = ""
    """Action of the Enter key and of a click."""
    NEED_AN_ITEM: frozenset[str] = frozenset()
    """Actions that are no keys while the list is empty."""

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.edge = edge
        self.preferences = preferences
        self.list = OptionList(classes="page-list", compact=True)
        self._items: Sequence[Item] = ()
        self._reading: Worker[None]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Keys that act on an item are shown where there is one."""
        return bool(self._items) or action not in self.NEED_AN_ITEM

    def renew(self) -> None:
        """Read the list again."""
        self._reading = self._read()

    @work(exclusive=True, group="list")
    async def _read(self) -> None:
        try:
            await self.read()
        except EdgeLLMError as error:
            self.post_message(Refused(error))

    @abstractmethod
    async def read(self) -> None:
        """Read what the list is made of, and fill it. Raises: EdgeLLMError."""

    def fill(self, items: Sequence[Item]) -> None:
        """Show these; what was highlighted stays so if it is among them."""
        chosen = self.chosen.name if self.chosen else None
        self._items = items
        self.list.clear_options()
        self.list.add_options([Option(item.line()) for item in items])
        names = [item.name for item in items]
        self.list.highlighted = names.index(chosen) if chosen in names else 0 if names else None
        if self.is_attached:  # else the app is closing
            self.refresh_bindings()

    @property
    def chosen(self) -> Item | None:
        """The highlighted item."""
        index = self.list.highlighted
        return self._items[index] if index is not None and index < len(self._items) else None

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    @work(exclusive=True, group="enter")
    async def _entered(self) -> None:
        """Enter means the list that belongs to what was typed, also while that is still being read."""
        with suppress(WorkerCancelled):  # more was typed after it
            await self._reading.wait()
            await self.run_action(self.ENTER)

    async def change(self, change: Awaitable[object]) -> bool:
        """Await a change and read the list again; says what went wrong, and whether nothing did."""
        try:
            await change
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return False
        finally:
            self.renew()
        return True


class ListPage(RowsPage[Item]):
    """Typing narrows the list, arrows move in it, Esc clears the line and then leads back to the chat."""

    HINT = ""
    """What the empty line says."""

    def compose(self) -> ComposeResult:
        """Line above, the rest below."""
        self.field = LineField(placeholder=self.HINT, classes="page-field", compact=True)
        yield self.field
        yield from self.compose_below()

    @abstractmethod
    def compose_below(self) -> ComposeResult:
        """`self.list` and what is around it."""

    def focus_default(self) -> None:
        """Typing narrows; the list is read again each time the page is shown."""
        self.screen.set_focus(self.field)
        self.renew()

    @property
    def moved(self) -> OptionList:
        """The list that the arrows move in."""
        return self.list

    def on_key(self, event: Key) -> None:
        """Arrows move the list while the line keeps the focus."""
        if event.key in ("down", "up") and self.field.has_focus:
            (self.moved.action_cursor_down if event.key == "down" else self.moved.action_cursor_up)()

    async def action_leave(self) -> None:
        """Clear the line, or go back to the chat."""
        if self.field.value:
            self.field.value = ""
        else:
            await self.app.run_action("page('chat')")
