"""Two answers side by side under one question, scrolled together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from edgellm.safetext import clean

LONGEST_QUESTION = 2000
"""Characters of a question that are shown."""


class TwoAnswers(Vertical, can_focus=True):
    """A question above; below it one answer, or two that the arrows scroll together. Takes values."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_both(-1)", show=False),
        Binding("down,j", "scroll_both(1)", show=False),
        Binding("pageup", "scroll_both(-8)", show=False),
        Binding("pagedown,space", "scroll_both(8)", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._question = Static(classes="two-question", markup=False)
        self._heads = [Static(classes="two-head", markup=False) for _ in range(2)]
        self._texts = [Static(markup=False) for _ in range(2)]
        self._panes = [VerticalScroll(classes="two-pane", can_focus=False) for _ in range(2)]

    def compose(self) -> ComposeResult:
        """Question, then both answers."""
        yield self._question
        with Horizontal(classes="two-sides"):
            for head, pane, text in zip(self._heads, self._panes, self._texts, strict=True):
                with Vertical(classes="two-side"):
                    yield head
                    with pane:
                        yield text

    def show(self, question: str, sides: Sequence[tuple[Content, str]]) -> None:
        """Show a question with one or two answers, each with its head."""
        shown = clean(question)
        more = "" if len(shown) <= LONGEST_QUESTION else f" … ({len(shown) - LONGEST_QUESTION:,} more characters)"
        self._question.update(Content(shown[:LONGEST_QUESTION] + more))
        for number, side in enumerate(self.query(".two-side")):
            side.display = number < len(sides)
        for (head, text), title, body, pane in zip(sides, self._heads, self._texts, self._panes, strict=False):
            title.update(head)
            body.update(Content(clean(text)) if text.strip() else Content.styled("(no text)", "$foreground 50%"))
            pane.scroll_home(animate=False)

    def action_scroll_both(self, lines: int) -> None:
        """Move both answers."""
        for pane in self._panes:
            pane.scroll_relative(y=lines, animate=False)
