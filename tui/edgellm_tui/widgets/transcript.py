"""The conversation: one widget that draws lines, however long the history is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from textual.binding import BindingType
from textual.cache import LRUCache
from textual.content import Content
from textual.css.styles import RulesMap
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style
from textual.timer import Timer
from textual.visual import RenderOptions

from edgellm_tui.commands import bindings
from edgellm_tui.render.entry import WIDEST, entry_lines
from edgellm_tui.render.styles import resolver
from edgellm_tui.turns import Turn

FRAMES_PER_S = 20
"""Repaints a second while an answer streams: enough to look smooth, cheap enough to leave the cores to the model."""
SHOWN_AT_FIRST = 60
"""Turns laid out when a conversation opens; earlier ones follow when the reader scrolls up to them."""


@dataclass(slots=True)
class _Entry:
    turn: Turn
    drawn: tuple[int, int, bool] = (-1, -1, False)
    lines: list[Content] = field(default_factory=list)


class Transcript(ScrollView, can_focus=True):
    """Shows turns; remembers where the reader is; follows the end unless the reader has scrolled up."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("transcript")

    class Wanted(Message):
        """A key asks for an action of the page on the chosen turn."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    class Reached(Message):
        """The reader moved to another turn."""

        def __init__(self, turn: Turn | None) -> None:
            super().__init__()
            self.turn = turn

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._turns: list[Turn] = []
        self._entries: list[_Entry] = []
        self._hidden = 0
        self._starts: list[int] = []
        self._greeting: Sequence[Content] = ()
        self._strips: LRUCache[tuple[int, int, int, int, bool], Strip] = LRUCache(512)
        self._resolve: Callable[[str | Style], Style] | None = None
        self._frame: Timer | None = None
        self._selected: int | None = None
        self._follows = True

    # Values in

    def show(self, turns: Sequence[Turn], greeting: Sequence[Content] = ()) -> None:
        """Replace the conversation; the same turns again mean some were added or changed."""
        known = {id(entry.turn): entry for entry in self._entries}
        self._turns = list(turns)
        self._greeting = greeting
        if not any(id(turn) in known for turn in turns):
            self._hidden = max(0, len(turns) - SHOWN_AT_FIRST)
        self._hidden = min(self._hidden, len(turns))
        self._entries = [known.get(id(turn)) or _Entry(turn) for turn in self._turns[self._hidden :]]
        if self._selected is not None and self._selected >= len(turns):
            self._select(None)
        self._lay_out()

    def follow(self) -> None:
        """Go to the end and stay there."""
        self._follows = True
        self._lay_out()

    def changed(self) -> None:
        """Some turn changed: draw it within a frame's time."""
        if self._frame is None:
            self._frame = self.set_timer(1 / FRAMES_PER_S, self._draw_frame)

    def _draw_frame(self) -> None:
        self._frame = None
        self._lay_out()

    # Layout

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width or self.size.width
        if not width:
            return
        shown = self._selected_key
        self._starts = []
        y = len(self._above(width))
        for entry in self._entries:
            self._starts.append(y)
            wanted = (entry.turn.version, width, entry.turn.key == shown)
            if entry.drawn != wanted:
                entry.lines = entry_lines(entry.turn, width, is_selected=wanted[2])
                entry.drawn = wanted
            y += len(entry.lines)
        self.virtual_size = Size(width, y)
        if self._follows:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        self.refresh()

    def _above(self, width: int) -> Sequence[Content]:
        if self._hidden:
            return (Content.styled(f"  ↑ {self._hidden} earlier messages", "dim"), Content(""))
        if not self._turns:
            return [part for line in self._greeting for part in line.wrap(max(width - 4, 8))]
        return (Content(""),)

    def on_resize(self) -> None:
        """Every line may break elsewhere now."""
        self._lay_out()

    def notify_style_update(self) -> None:
        """The theme changed: colours are resolved again."""
        super().notify_style_update()
        self._resolve = None
        self._strips.clear()

    # Drawing

    def _line(self, y: int) -> tuple[Content, tuple[int, int, int, bool]]:
        above = self._above(self.size.width)
        if y < len(above) or not self._starts:
            return (above[y] if y < len(above) else Content("")), (0, 0, y, False)
        index = bisect_right(self._starts, y) - 1
        entry = self._entries[index]
        row = y - self._starts[index]
        line = entry.lines[row] if row < len(entry.lines) else Content("")
        return line, (entry.turn.key, entry.drawn[0], row, entry.drawn[2])

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width = self.size.width
        line_number = self.scroll_offset.y + y
        if line_number >= self.virtual_size.height:
            return Strip.blank(width, self.visual_style.rich_style)
        line, name = self._line(line_number)
        selection = self.text_selection
        key = (*name[:3], width, name[3])
        strip = None if selection or not name[0] else self._strips.get(key)
        if strip is None:
            strip = self._strip(line, line_number, width, selection)
            if not selection:
                self._strips[key] = strip
        return strip.apply_offsets(0, line_number)

    def _strip(self, line: Content, y: int, width: int, selection: Selection | None) -> Strip:
        if self._resolve is None:
            self._resolve = resolver(self.app.theme_variables)
        margin = max(0, (width - WIDEST) // 2)
        line = line.pad_left(margin)
        if selection is not None and (span := selection.get_span(y)) is not None:
            start, end = span
            line = line.stylize(
                self.screen.get_visual_style("screen--selection"), start, len(line) if end == -1 else end
            )
        style = self.visual_style
        options = RenderOptions(self._resolve, RulesMap())
        strips = line.render_strips(max(width, 1), 1, style, options)
        strip = strips[0] if strips else Strip.blank(width)
        return strip.adjust_cell_length(width, style.rich_style)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text under the mouse selection."""
        margin = " " * max(0, (self.size.width - WIDEST) // 2)
        lines = [self._line(y)[0].plain for y in range(self.virtual_size.height)]
        return selection.extract("\n".join(margin + line for line in lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:  # noqa: ARG002
        """The mouse selection changed."""
        self.refresh()

    # Where the reader is

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow the end again once the reader is there; fetch earlier turns at the top."""
        super().watch_scroll_y(old_value, new_value)
        if new_value < old_value:
            self._follows = False
        if new_value >= self.max_scroll_y:
            self._follows = True
        if new_value <= 0 and self._hidden and not self._follows:
            self.call_later(self._show_earlier)

    def _show_earlier(self) -> None:
        before = self.virtual_size.height
        first = max(0, self._hidden - SHOWN_AT_FIRST)
        self._entries[:0] = [_Entry(turn) for turn in self._turns[first : self._hidden]]
        self._hidden = first
        self._lay_out()
        self.scroll_to(y=self.scroll_offset.y + self.virtual_size.height - before, animate=False)

    @property
    def selected(self) -> Turn | None:
        """The turn that single keys act on, if the reader chose one."""
        return self._turns[self._selected] if self._selected is not None else None

    @property
    def _selected_key(self) -> int | None:
        return self.selected.key if self.selected else None

    def _select(self, index: int | None) -> None:
        self._selected = index
        self._lay_out()
        self.post_message(self.Reached(self.selected))

    def select(self, turn: Turn) -> None:
        """Move to a turn."""
        if turn in self._turns:
            self._move_to(self._turns.index(turn))

    def _move_to(self, index: int) -> None:
        while index < self._hidden:
            self._show_earlier()
        self._follows = False
        self._select(index)
        entry = index - self._hidden
        top, height = self._starts[entry], len(self._entries[entry].lines)
        view = self.scrollable_content_region.height
        if top < self.scroll_offset.y or height >= view:
            self.scroll_to(y=max(top - 1, 0), animate=False)
        elif top + height > self.scroll_offset.y + view:
            self.scroll_to(y=top + height - view, animate=False)

    def action_page(self, action: str) -> None:
        """Ask the page to act on the chosen turn."""
        self.post_message(self.Wanted(action))

    def action_previous(self) -> None:
        """Move to the turn above."""
        if self._turns:
            index = len(self._turns) if self._selected is None else self._selected
            self._move_to(max(index - 1, 0))

    def action_next(self) -> None:
        """Move to the turn below."""
        if self._turns and self._selected is not None:
            self._move_to(min(self._selected + 1, len(self._turns) - 1))

    def on_focus(self) -> None:
        """Keys act on the newest turn first."""
        if self._selected is None and self._turns:
            self._move_to(len(self._turns) - 1)

    def on_blur(self) -> None:
        """No turn is chosen any more."""
        self._selected = None
        self._lay_out()
