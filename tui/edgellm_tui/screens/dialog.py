"""Dialogs over the page: confirm, one line, many lines, pick from a list, read a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from edgellm.safetext import clean, clean_line
from edgellm_tui.widgets.fields import LineField, TextField

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """A box in the middle with a title and a line of keys; Esc leaves it without an answer."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Close", show=False)]
    KEYS = "Esc closes"

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = clean_line(title)

    def on_mount(self) -> None:
        """What was announced before does not cover what is asked."""
        self.app.clear_notifications()

    def compose(self) -> ComposeResult:
        """Title, body, keys."""
        with Vertical(id="dialog"):
            yield Static(Content(self._title), id="dialog-title", markup=False)
            yield from self.compose_body()
            yield Static(Content(self.KEYS), id="dialog-keys", markup=False)

    def compose_body(self) -> ComposeResult:
        """What is between title and keys."""
        yield from ()

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Close with this answer, once: a key pressed twice must not close what lies below as well."""
        return super().dismiss(result) if self.is_current else AwaitComplete()

    def on_key(self, event: Key) -> None:
        """A letter that was typed before the field had the focus is the field's."""
        if event.is_printable and isinstance(self.focused, Input | TextField):
            event.stop()
            self.focused.post_message(Key(event.key, event.character))


class Confirm(Dialog[bool]):
    """A question with a clear way back."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y,enter", "dismiss(True)"), Binding("n", "dismiss(False)")]
    KEYS = "Y or Enter: yes   N or Esc: no"

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title)
        self._text = clean(text)

    def compose_body(self) -> ComposeResult:
        """The consequence, in a sentence."""
        yield Static(Content(self._text), markup=False)


class AskLine(Dialog[str]):
    """One line of text."""

    KEYS = "Enter saves   Esc leaves it"

    def __init__(self, title: str, value: str = "", hint: str = "") -> None:
        super().__init__(title)
        self._value, self._hint = clean_line(value), hint

    def compose_body(self) -> ComposeResult:
        """The line."""
        yield LineField(self._value, placeholder=self._hint, id="dialog-line")

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())


class AskText(Dialog[str]):
    """Several lines of text."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "save", priority=True)]
    KEYS = "Ctrl+S saves   Esc leaves it"

    def __init__(self, title: str, value: str = "", *, is_replaced: bool = False) -> None:
        """`is_replaced`: what is typed first takes the place of the value, unless a key moved the cursor before."""
        super().__init__(title)
        self._value, self._is_replaced = clean(value), is_replaced
        if is_replaced:
            self.KEYS = f"Typing replaces it, ← keeps it   {self.KEYS}"

    def compose_body(self) -> ComposeResult:
        """The text."""
        field = TextField(self._value, id="dialog-text", soft_wrap=True, tab_behavior="focus")
        if self._is_replaced:
            field.select_all()
        yield field

    def action_save(self) -> None:
        """Answer with the text; a key with priority overtakes letters that the field has still to insert."""
        self.query_one(TextField).call_later(self._save)

    def _save(self) -> None:
        self.dismiss(self.query_one(TextField).text)


class Reading(Dialog[None]):
    """Lines to read. A key that does not scroll them closes them, and does what it does below."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,q", "dismiss(None)")]
    KEYS = "↑↓ scroll   Esc closes   any other key closes it and acts"
    IS_LEFT_AT_ONCE = True

    def __init__(self, title: str, lines: Sequence[Content]) -> None:
        super().__init__(title)
        self._lines = lines

    def compose_body(self) -> ComposeResult:
        """The lines, scrolling when there are many."""
        with VerticalScroll(id="dialog-scroll"):
            yield Static(Content("\n").join(self._lines), markup=False)

    def on_key(self, event: Key) -> None:
        """Hand a key that is not the reader's own to what lies below."""
        if event.key not in self.active_bindings:
            event.stop()
            self.dismiss(None)
            self.app.post_message(Key(event.key, event.character))


@dataclass(frozen=True, slots=True)
class Row:
    """One line to pick."""

    value: str
    line: Content
    search: str = ""
    """What the filter looks at; empty takes the line."""


class Pick(Dialog[str]):
    """A list that is filtered while typing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", priority=True),
        Binding("down", "move(1)", priority=True),
    ]
    HINT = "Filter"
    KEYS = "type to filter   ↑↓ choose   Enter takes it   Esc leaves"

    def __init__(self, title: str, rows: Sequence[Row], current: str = "", *, head: Content | None = None) -> None:
        """`head` names the columns of the rows."""
        super().__init__(title)
        self._head = head
        self._rows = rows
        self.rows = rows
        """What is shown."""
        self._typed = ""
        self._current = current

    def compose_body(self) -> ComposeResult:
        """Filter above list."""
        yield LineField(placeholder=self.HINT, id="dialog-line")
        if self._head is not None:
            yield Static(self._head, id="dialog-head", markup=False)
        yield OptionList(id="dialog-list")

    def on_mount(self) -> None:
        """Show everything, the current value highlighted."""
        self.fill("")
        values = [row.value for row in self.rows]
        if self._current in values:
            self.query_one(OptionList).highlighted = values.index(self._current)

    @on(Input.Changed)
    def _filter(self) -> None:
        if (typed := self.query_one(LineField).value) != self._typed:
            self._typed = typed
            self.fill(typed)

    def fill(self, typed: str) -> None:
        """Offer what belongs to the typed words."""
        words = typed.lower().split()
        self.offer([row for row in self._rows if all(w in (row.search or row.line.plain).lower() for w in words)])

    def offer(self, rows: Sequence[Row]) -> None:
        """Show these rows, the first highlighted."""
        self.rows = rows
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(row.line) for row in rows])
        options.highlighted = 0 if rows else None

    def action_move(self, step: int) -> None:
        """Move the highlight while the filter keeps the focus, after letters that the filter has still to insert."""
        self.query_one(LineField).call_later(self._move, step)

    def _move(self, step: int) -> None:
        self._filter()
        options = self.query_one(OptionList)
        if self.rows:
            options.highlighted = ((options.highlighted or 0) + step) % len(self.rows)
            self.highlighted(self.rows[options.highlighted].value)

    def highlighted(self, value: str) -> None:
        """Called when the highlight moves; subclasses may preview."""

    @on(Input.Submitted)
    def _take(self) -> None:
        self.take_highlighted()

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.take(self.rows[event.option_index].value)

    @property
    def highlighted_value(self) -> str | None:
        """Value of the highlighted row."""
        index = self.query_one(OptionList).highlighted
        return self.rows[index].value if index is not None and index < len(self.rows) else None

    def take_highlighted(self) -> object:
        """Called for the Enter key."""
        if (value := self.highlighted_value) is not None:
            self.take(value)
        return None

    def take(self, value: str) -> None:
        """Answer with a row; subclasses may go on instead."""
        self.dismiss(value)
