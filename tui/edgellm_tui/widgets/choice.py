"""A field whose value is one of a few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from edgellm.safetext import clean_line


class ChoiceLine(Widget, can_focus=True):
    """One line; left and right go through the values."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", show=False),
        Binding("right,space", "step(1)", show=False),
    ]
    value: reactive[str] = reactive("")

    class Changed(Message):
        """Another value was chosen."""

    def __init__(self, values: Sequence[str], value: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._values = values
        self.set_reactive(ChoiceLine.value, value)

    def action_step(self, step: int) -> None:
        """Take a neighbouring value; after the last comes the first."""
        self.value = self._values[(self._values.index(self.value) + step) % len(self._values)]
        self.post_message(self.Changed())

    def render(self) -> Content:
        """The value between arrows, and which of how many it is."""
        place = f"  {self._values.index(self.value) + 1} of {len(self._values)}"
        return Content.assemble(
            ("‹ ", "$primary"), clean_line(self.value), (" ›", "$primary"), (place, "$foreground 50%")
        )
