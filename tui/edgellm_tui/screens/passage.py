"""The viewer: the page of a document, scrolled to the passage that was found or cited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from edgellm_tui.commands import bindings
from edgellm_tui.render.passage import page_lines, page_path, page_title
from edgellm_tui.render.spans import TextSpan
from edgellm_tui.widgets.status import KeyLine

if TYPE_CHECKING:
    from edgellm.retrieval.values import Place
    from edgellm_tui.app import EdgeApp


class PassageScreen(Screen[None]):
    """Title, the page's text with what was found marked, keys."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("passage")
    AUTO_FOCUS = "#passage-scroll"
    IS_LEFT_AT_ONCE = True
    app: EdgeApp

    def __init__(self, page: Place, marks: Sequence[TextSpan], question: str = "") -> None:
        """`marks` are characters of the page's text; words of the question are marked within them."""
        super().__init__()
        self.head = Static(id="passage-title", markup=False)
        self.scroll = VerticalScroll(id="passage-scroll")
        self.text = Static(id="passage-text", markup=False)
        self._page = page
        self._marks = marks
        self._question = question
        self._first_line = 0
        """The line that the view begins with when it is drawn."""

    def compose(self) -> ComposeResult:
        """Title, text, keys."""
        yield self.head
        with self.scroll:
            yield self.text
        yield KeyLine(id="passage-keys")

    def on_mount(self) -> None:
        """Draw once the width is known; scroll once it is known how long the text has become."""
        self.watch(self.scroll, "virtual_size", self._scroll, init=False)
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        """Lines are broken anew."""
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        self.head.update(page_title(self._page).truncate(max(self.size.width, 1), ellipsis=True))
        view = self.scroll.scrollable_content_region
        lines, first = page_lines(self._page, self._marks, self._question, max(view.width, 10))
        above = [*page_path(self._page).wrap(max(view.width, 10)), Content("")]
        self.text.update(Content("\n").join([*above, *lines]))
        self._first_line = max(len(above) + first - view.height // 3, 0)
        self._scroll()

    def _scroll(self) -> None:
        self.call_after_refresh(self.scroll.scroll_to, y=self._first_line, animate=False)

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(None)
