"""The conversation: one widget that draws lines, however long the history is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.cache import LRUCache
from textual.content import Content, Span
from textual.css.styles import RulesMap
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style
from textual.timer import Timer
from textual.visual import RenderOptions

from edgellm_tui.commands import bindings
from edgellm_tui.evidence import sources
from edgellm_tui.render.entry import WIDEST
from edgellm_tui.render.styles import resolver
from edgellm_tui.turns import Turn
from edgellm_tui.widgets.flow import Flow

FRAME_S = 1 / 12
"""Time between two repaints while an answer streams: reads as smooth, and leaves the cores to the model."""
LAYOUT_SHARE = 0.1
"""Share of a core that laying out may take; a text that is slow to lay out is drawn less often."""


class Transcript(ScrollView, can_focus=True):
    """Shows turns; remembers where the reader is; follows the end unless the reader has scrolled up."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("transcript")
    FOCUS_ON_CLICK = False
    """The focus would move the view to the newest turn, under a mouse that selects text elsewhere."""

    class Wanted(Message):
        """A key asks for an action of the page on the chosen turn."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.flow = Flow()
        self._greeting: Sequence[Content] = ()
        self._strips: LRUCache[tuple[str, tuple[Span, ...], int], Strip] = LRUCache(512)
        self._resolve: Callable[[str | Style], Style] | None = None
        self._frame: Timer | None = None
        self._next_frame_at = 0.0
        self._selected: int | None = None
        self._follows = True

    # Values in

    def show(self, turns: Sequence[Turn], greeting: Sequence[Content] = ()) -> None:
        """Replace the conversation; the same turns again mean some were added or changed."""
        self._greeting = greeting
        self.flow.show(turns)
        if self._selected is not None and self._selected >= len(turns):
            self._selected = None
        self._lay_out()

    def follow(self) -> None:
        """Go to the end and stay there; nothing is marked any more."""
        self._follows = True
        self.flow.found = None
        if not self.has_focus:
            self._selected = None
        self._lay_out()

    @property
    def is_behind(self) -> bool:
        """Whether something changed that is not drawn yet."""
        return self._frame is not None

    def changed(self) -> None:
        """Some turn changed: draw it within a frame's time."""
        if self._frame is None:
            self._frame = self.set_timer(max(self._next_frame_at - time.monotonic(), 0.001), self._draw_frame)

    def _draw_frame(self) -> None:
        """Draw the lines that changed; without Textual's layout, for the widget itself keeps its size."""
        self._frame = None
        width, began = self._text_width, time.thread_time()
        if not width:
            return
        changed = self.flow.lay_out(width, self.selected)
        if self.flow.height != self.virtual_size.height:
            self.set_reactive(Transcript.virtual_size, Size(width, self.flow.height))
            self.vertical_scrollbar.window_virtual_size = self.flow.height
        if self._follows:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        self._repaint(changed)
        used_s = time.thread_time() - began
        self._next_frame_at = time.monotonic() + max(FRAME_S, used_s / LAYOUT_SHARE)

    def _repaint(self, lines: range) -> None:
        top = self.scroll_offset.y
        first, last = max(lines.start - top, 0), min(lines.stop - top, self.size.height)
        if first < last:
            self.refresh(Region(0, first, self.size.width, last - first))

    # Layout

    @property
    def _text_width(self) -> int:
        return self.scrollable_content_region.width or self.size.width

    def _lay_out(self) -> None:
        width = self._text_width
        if not width:
            return
        self.flow.above = self._above(width)
        self.flow.lay_out(width, self.selected)
        self.virtual_size = Size(width, self.flow.height)
        if self._follows:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        self.refresh()

    def _above(self, width: int) -> Sequence[Content]:
        if self.flow.hidden:
            return (Content.styled(f"  ↑ {self.flow.hidden} earlier messages", "dim"), Content(""))
        if not self.flow.turns:
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

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width = self.size.width
        number = self.scroll_offset.y + y
        if number >= self.virtual_size.height:
            return Strip.blank(width, self.visual_style.rich_style)
        line, selection = self.flow.line(number), self.text_selection
        if selection is not None:
            return self._strip(line, number, width, selection).apply_offsets(0, number)
        name = (line.plain, tuple(line.spans), width)
        if (strip := self._strips.get(name)) is None:
            strip = self._strips[name] = self._strip(line, number, width, None)
        return strip.apply_offsets(0, number)

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
        lines = [self.flow.line(y).plain for y in range(self.virtual_size.height)]
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
        if new_value <= 0 and self.flow.hidden and not self._follows:
            self.call_later(self._show_earlier)

    def _show_earlier(self) -> None:
        before = self.virtual_size.height
        self.flow.show_earlier()
        self._lay_out()
        self.scroll_to(y=self.scroll_offset.y + self.virtual_size.height - before, animate=False)

    @property
    def selected(self) -> Turn | None:
        """The turn that single keys act on, if the reader chose one."""
        return self.flow.turns[self._selected] if self._selected is not None else None

    def select(self, turn: Turn) -> None:
        """Move to a turn."""
        if turn in self.flow.turns:
            self._move_to(self.flow.turns.index(turn))

    def show_found(self, turn: Turn, words: Sequence[str]) -> None:
        """Move to a turn and in it to the first of these words, and mark them; without the focus, until `follow`."""
        if turn not in self.flow.turns:
            return
        self.select(turn)
        y = self.flow.find(turn, words)
        view = self.scrollable_content_region.height
        if y is not None and not 0 <= y - self.scroll_offset.y < view:
            self.scroll_to(y=max(y - view // 3, 0), animate=False)
        self.refresh()

    def _move_to(self, index: int) -> None:
        while index < self.flow.hidden:
            self._show_earlier()
        self._follows = False
        self._selected = index
        self.refresh_bindings()
        self._lay_out()
        top, height = self.flow.extent(index)
        view = self.scrollable_content_region.height
        if top < self.scroll_offset.y or height >= view:
            self.scroll_to(y=max(top - 1, 0), animate=False)
        elif top + height > self.scroll_offset.y + view:
            self.scroll_to(y=top + height - view, animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Sources are a key where the chosen message names some."""
        if (action, *parameters) == ("page", "sources"):
            return self.selected is not None and bool(sources(self.selected.evidence))
        return True

    def action_page(self, action: str) -> None:
        """Ask the page to act on the chosen turn."""
        self.post_message(self.Wanted(action))

    def action_previous(self) -> None:
        """Move to the turn above."""
        if self.flow.turns:
            index = len(self.flow.turns) if self._selected is None else self._selected
            self._move_to(max(index - 1, 0))

    def action_next(self) -> None:
        """Move to the turn below."""
        if self.flow.turns and self._selected is not None:
            self._move_to(min(self._selected + 1, len(self.flow.turns) - 1))

    def on_focus(self) -> None:
        """Keys act on the newest turn first."""
        if self._selected is None and self.flow.turns:
            self._move_to(len(self.flow.turns) - 1)

    def on_blur(self) -> None:
        """No turn is chosen any more."""
        self._selected = None
        self._lay_out()
