"""Turns as numbered lines: laid out once, again only where something changed."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from textual.content import Content

from edgellm_tui.render.entry import entry_lines, entry_mark
from edgellm_tui.turns import Turn

SHOWN_AT_FIRST = 60
"""Turns laid out when a conversation opens; earlier ones follow when the reader scrolls up to them."""


@dataclass(slots=True)
class Entry:
    """A turn and its lines as they were last laid out."""

    turn: Turn
    start: int = 0
    """Number of its first line."""
    drawn: tuple[int, int, bool] = (-1, -1, False)
    """Version of the turn, width, and whether it was the selected one."""
    lines: list[Content] = field(default_factory=list)

    def lay_out(self, width: int, *, is_selected: bool) -> int | None:
        """Bring the lines up to date; the first row that changed, None when none did.

        Finished blocks keep their line objects, so that looking for the change costs little in a long turn.
        """
        wanted = (self.turn.version, width, is_selected)
        if self.drawn == wanted:
            return None
        before, self.lines = self.lines, entry_lines(self.turn, width, is_selected=is_selected)
        was, self.drawn = self.drawn, wanted
        if was[1:] != wanted[1:]:
            return 0
        for row, (old, new) in enumerate(zip(before, self.lines, strict=False)):
            if old is not new and not old.is_same(new):
                return row
        return None if len(before) == len(self.lines) else min(len(before), len(self.lines))


class Flow:
    """The part of a conversation that is laid out: a window on its newest turns that grows upwards."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.entries: list[Entry] = []
        self.hidden = 0
        """Turns before the window."""
        self.height = 0
        self.above: Sequence[Content] = ()
        """Lines before the first turn."""
        self.found: tuple[Turn, re.Pattern[str]] | None = None
        """Words to be marked in a turn."""

    def show(self, turns: Sequence[Turn]) -> None:
        """Replace the conversation; turns that are known keep their lines."""
        known = {id(entry.turn): entry for entry in self.entries}
        self.turns = list(turns)
        if not any(id(turn) in known for turn in turns):
            self.hidden = max(0, len(turns) - SHOWN_AT_FIRST)
        self.hidden = min(self.hidden, len(turns))
        self.entries = [known.get(id(turn)) or Entry(turn) for turn in self.turns[self.hidden :]]

    def show_earlier(self) -> None:
        """Open the window further upwards."""
        first = max(0, self.hidden - SHOWN_AT_FIRST)
        self.entries[:0] = [Entry(turn) for turn in self.turns[first : self.hidden]]
        self.hidden = first

    def lay_out(self, width: int, selected: Turn | None) -> range:
        """Number the lines; those that look different from before, to the end where lines moved."""
        before, first, last = self.height, None, 0
        y = len(self.above)
        for entry in self.entries:
            entry.start = y
            row = entry.lay_out(width, is_selected=entry.turn is selected)
            y += len(entry.lines)
            if row is not None:
                first = entry.start + row if first is None else first
                last = y
        self.height = y
        if self.height != before:
            last = max(self.height, before)
        return range(last if first is None else first, last)

    def line(self, y: int) -> Content:
        """One line with what stands left of it."""
        if y < len(self.above):
            return self.above[y]
        if not self.entries:
            return Content("")
        entry = self.entries[bisect_right(self.entries, y, key=lambda entry: entry.start) - 1]
        row = y - entry.start
        if row >= len(entry.lines) - 1:
            return Content("")  # the empty line between turns has no mark
        mark, line = entry_mark(entry.turn, is_selected=entry.drawn[2]), entry.lines[row]
        return mark + (self._marked(line) if self.found and self.found[0] is entry.turn else line)

    def _marked(self, line: Content) -> Content:
        assert self.found is not None
        for match in self.found[1].finditer(line.plain):
            line = line.stylize("match", *match.span())
        return line

    def find(self, turn: Turn, words: Sequence[str]) -> int | None:
        """Mark the words in a turn of the window; the first line that holds one, None when none does."""
        self.found = (turn, re.compile("|".join(map(re.escape, words)), re.IGNORECASE)) if words else None
        top, height = self.extent(self.turns.index(turn))
        lines = range(top, top + height)
        return next((y for y in lines if self.found and self.found[1].search(self.line(y).plain)), None)

    def extent(self, index: int) -> tuple[int, int]:
        """First line and height of a turn inside the window."""
        entry = self.entries[index - self.hidden]
        return entry.start, len(entry.lines)
