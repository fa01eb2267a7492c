"""The menu above the message box: slash commands and files that fit what was typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.widget import Widget

from edgellm.safetext import clean_line

SHOWN = 8
"""Lines of the menu."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of the menu."""

    value: str
    name: str
    note: str = ""


class Completions(Widget):
    """Draws choices and the highlighted one; hidden while there are none."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._choices: Sequence[Choice] = ()
        self._index = 0
        self.display = False

    def offer(self, choices: Sequence[Choice]) -> None:
        """Show these choices, the first highlighted; none hides the menu."""
        self._choices, self._index = choices, 0
        self.display = bool(choices)
        self.styles.height = min(len(choices), SHOWN)
        self.refresh(layout=True)

    def move(self, step: int) -> None:
        """Highlight another choice, around the ends."""
        if self._choices:
            self._index = (self._index + step) % len(self._choices)
            self.refresh()

    @property
    def choice(self) -> Choice | None:
        """The highlighted choice."""
        return self._choices[self._index] if self._choices else None

    def render(self) -> Content:
        """The choices around the highlighted one."""
        first = max(0, min(self._index - SHOWN + 1, len(self._choices) - SHOWN))
        shown = self._choices[first : first + SHOWN]
        column = min(max((len(c.name) for c in shown), default=0) + 2, 40)
        lines = [self._line(c, column, c is self.choice) for c in shown]
        return Content("\n").join(lines)

    def _line(self, choice: Choice, column: int, is_current: bool) -> Content:
        name = clean_line(choice.name)[: column - 2].ljust(column)
        sign, role = ("▸ ", "bold $primary") if is_current else ("  ", "$foreground")
        line = Content.assemble((sign + name, role), (clean_line(choice.note), "$foreground 55%"))
        return line.truncate(max(self.size.width, 1), ellipsis=True)
