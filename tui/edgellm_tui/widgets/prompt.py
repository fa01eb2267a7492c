"""The message box: grows with its text, sends on Enter, never loses a draft."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Key
from textual.message import Message
from textual.widgets._text_area import TextArea
from textual.widgets.text_area import Edit, Location

from edgellm.safetext import clean
from edgellm_tui.commands import bindings
from edgellm_tui.widgets.fields import TextField

_REPLACED = {"f6", "f7", "up", "down", "ctrl+c,super+c", "delete,ctrl+d", "ctrl+y,super+y"}
_EDITING = [b for b in TextArea.BINDINGS if isinstance(b, Binding) and b.key not in _REPLACED]


class Prompt(TextField, inherit_bindings=False):
    """Emits what the user wants; knows nothing of models."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("prompt"),
        *_EDITING,
        Binding("down", "down", show=False),
        Binding("delete", "delete_right", show=False),
        Binding("ctrl+shift+z", "redo", show=False),
    ]

    class Sent(Message):
        """The text is meant to be sent."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class EditLast(Message):
        """Up in an empty box."""

    class Leave(Message):
        """The user moves to the messages."""

    class Menu(Message):
        """A key for the open completion menu: `up`, `down`, `take`, `run`, `close`."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, soft_wrap=True, tab_behavior="focus", show_line_numbers=False, compact=True)
        self.menu_open = False
        self.highlight_cursor_line = False

    def fill(self, text: str) -> None:
        """Replace the text and put the cursor at its end."""
        self.text = clean(text)
        self.move_cursor(self.document.end)

    def put(self, text: str, end: Location, *, back: int) -> None:
        """Insert text in place of the `back` characters before `end`."""
        start = (end[0], max(0, end[1] - back))
        self.edit(Edit(clean(text), start, end, maintain_selection_offset=True))

    @property
    def before_cursor(self) -> str:
        """The text of the cursor's line up to the cursor."""
        row, column = self.cursor_location
        return self.document.get_line(row)[:column]

    async def _on_key(self, event: Key) -> None:
        """Keys act in the order they were typed.

        Textual runs bindings in the app's queue and inserts characters in the widget's: a fast Enter could overtake
        the letters before it.
        """
        active = None if event.is_printable else self.screen.active_bindings.get(event.key)
        if active is not None and active.node is self:
            event.stop()
            event.prevent_default()
            await self.run_action(active.binding.action)
        else:
            await super()._on_key(event)

    def action_send(self) -> None:
        """Send, unless there is nothing to send or a completion is open."""
        if self.menu_open:
            self.post_message(self.Menu("run"))
        elif self.text.strip():
            text = self.text.strip("\n")
            self.clear()  # here, not by the receiver: letters typed meanwhile belong to the next message
            self.post_message(self.Sent(text))

    def action_newline(self) -> None:
        """Begin a new line."""
        self.insert("\n")

    def action_up(self) -> None:
        """Move up; in an empty box, edit the last message."""
        if self.menu_open:
            self.post_message(self.Menu("up"))
        elif not self.text:
            self.post_message(self.EditLast())
        else:
            self.action_cursor_up()

    def action_down(self) -> None:
        """Move down."""
        if self.menu_open:
            self.post_message(self.Menu("down"))
        else:
            self.action_cursor_down()

    def action_tab(self) -> None:
        """Take the completion, or go to the messages."""
        self.post_message(self.Menu("take") if self.menu_open else self.Leave())

    async def action_delete_or_quit(self) -> None:
        """Delete to the right; in an empty box, quit."""
        if self.text:
            self.action_delete_right()
        else:
            await self.app.run_action("quit")
