"""The top line: where you are, and with which model and conversation."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content
from textual.reactive import reactive
from textual.style import Style
from textual.widget import Widget

from edgellm.safetext import clean_line

GAP = 3
"""Empty cells between the pages and what is on them, at least."""
MODEL_CELLS = 24
"""Of the model's name that the pages leave room for."""


class Header(Widget):
    """Page names on the left, conversation and model on the right."""

    page = reactive("chat")
    title = reactive("")
    model = reactive("")

    def __init__(self, pages: Mapping[str, str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.auto_links = False
        self._pages = pages

    def render(self) -> Content:
        """One line; the conversation's title gives way first."""
        left = Content(" ") + Content("  ").join(self._tabs())
        room = max(self.size.width - left.cell_length - GAP - 1, 0)
        model = Content.styled(clean_line(self.model), "bold $text-secondary").truncate(room, ellipsis=True)
        room -= model.cell_length + 3
        right = model
        if self.title and room > 8:
            title = Content.styled(clean_line(self.title), "$foreground 70%").truncate(room, ellipsis=True)
            right = title + Content.styled(" · ", "$foreground 30%") + model
        gap = max(self.size.width - left.cell_length - right.cell_length - 1, 1)
        return left + Content(" " * gap) + right

    def _tabs(self) -> list[Content]:
        """All pages; where that leaves too little room for the model, those around the current one."""
        pages = list(self._pages.items())
        room = self.size.width - GAP - min(len(self.model), MODEL_CELLS)
        first = last = list(self._pages).index(self.page) if self.page in self._pages else 0

        def cells(first: int, last: int) -> int:
            cut = (first > 0) + (last < len(pages) - 1)
            return sum(len(title) + 2 for _, title in pages[first : last + 1]) + 3 * cut

        while (first, last) != (0, len(pages) - 1):
            wider = [(first, last + 1), (first - 1, last)]
            fitting = [(a, b) for a, b in wider if a >= 0 and b < len(pages) and cells(a, b) <= room]
            if not fitting:
                break
            first, last = fitting[0]
        tabs = [self._tab(name, title) for name, title in pages[first : last + 1]]
        more = Content.styled("…", "$foreground 55%").stylize(Style.from_meta({"@click": "app.command_palette"}))
        return [more] * (first > 0) + tabs + [more] * (last < len(pages) - 1)

    def _tab(self, name: str, title: str) -> Content:
        look = "bold $primary underline" if name == self.page else "$foreground 55%"
        go = Style.from_meta({"@click": f"app.page('{name}')"})
        return Content.styled(title, look).stylize(go)
