"""Passages that were found: how many, and each with its place and the words of the question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from edgellm_tui.render.passage import hit_content

if TYPE_CHECKING:
    from edgellm.retrieval.values import Hit


class HitList(Vertical):
    """Takes no room while nothing is asked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.count = Static(id="hits-count", markup=False)
        self.list = OptionList(id="hits-list", classes="page-list", compact=True)
        self._hits: Sequence[Hit] = ()
        self._question = ""
        self.display = False

    def compose(self) -> ComposeResult:
        """Count above list."""
        yield self.count
        yield self.list

    def say(self, text: str) -> None:
        """What is going on, in the line above the list."""
        self.count.update(Content.styled(text, "$foreground 55%"))

    def show(self, hits: Sequence[Hit], question: str) -> None:
        """Show these, the first highlighted."""
        self._hits, self._question = hits, question
        self.draw()
        self.list.highlighted = 0 if hits else None

    def draw(self) -> None:
        """Break lines for the width there is."""
        at, width = self.list.highlighted, self.list.scrollable_content_region.width - 2
        self.list.clear_options()
        self.list.add_options([Option(hit_content(hit, self._question, max(width, 20))) for hit in self._hits])
        self.list.highlighted = at

    @property
    def chosen(self) -> Hit | None:
        """The highlighted one."""
        at = self.list.highlighted
        return self._hits[at] if at is not None and at < len(self._hits) else None
