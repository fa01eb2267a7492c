"""Fields for one line and for many: what is pasted into them is cleaned first."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Paste
from textual.widget import Widget
from textual.widgets import Static
from textual.widgets._input import Input
from textual.widgets._text_area import TextArea

from edgellm.safetext import clean, clean_line


class LineField(Input):
    """One line."""

    def _on_paste(self, event: Paste) -> None:
        lines = event.text.splitlines()  # the base class, whose turn is next, inserts the first one
        event.text = clean_line(lines[0]) if lines else ""


class TextField(TextArea):
    """Many lines."""

    async def _on_paste(self, event: Paste) -> None:
        event.text = clean(event.text.replace("\r\n", "\n").replace("\r", "\n"))  # terminals send CR for a new line


def knob(name: str, field: Widget) -> ComposeResult:
    """A line of a form: what the field is called, and the field."""
    with Horizontal(classes="knob"):
        yield Static(Content(name), classes="knob-name", markup=False)
        yield field
