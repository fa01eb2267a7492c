"""Before and after: the base and what it has learnt answer the same question, side by side."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from edgellm.safetext import clean_line
from edgellm.types import Sampling
from edgellm_tui.answering import Answering
from edgellm_tui.commands import bindings
from edgellm_tui.ports import Edge
from edgellm_tui.turns import awaited
from edgellm_tui.widgets.fields import LineField
from edgellm_tui.widgets.status import KeyLine
from edgellm_tui.widgets.transcript import Transcript

SAMPLING = Sampling(temperature=0, max_tokens=512)
"""Nothing is drawn by chance, so that what differs is what was learnt."""
STORY = (
    "Both get the same question, without instructions or earlier messages, and take the likeliest token each time: "
    "what differs is what was learnt."
)


class Pane(Transcript, can_focus=False):
    """One of the two answers; keys go to the question."""


class CompareScreen(Screen[None]):
    """Question below, answers above it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("compare")
    IS_LEFT_AT_ONCE = True
    AUTO_FOCUS = "#compare-question"

    def __init__(self, edge: Edge, base: str, model: str) -> None:
        """`base` and `model` as the SDK calls them."""
        super().__init__()
        self._edge = edge
        self._models = {"before": base, "after": model}
        self._answers: list[Answering] = []

    def compose(self) -> ComposeResult:
        """Title, what it is, answers, question, keys."""
        yield Static(Content.styled(" Before and after", "bold $primary"), id="compare-title", markup=False)
        yield Static(Content(STORY), id="compare-story", markup=False)
        with Horizontal(id="compare-panes"):
            for side in self._models:
                with Vertical(classes="compare-side"):
                    yield Static(Content.styled(side.capitalize(), "bold"), classes="compare-head", markup=False)
                    yield Pane(id=side)
        yield LineField(
            placeholder="A question for both; Enter asks it", id="compare-question", classes="page-field", compact=True
        )
        yield KeyLine(id="compare-keys")

    def on_mount(self) -> None:
        """Say who will answer."""
        for side, model in self._models.items():
            self.query_one(f"#{side}", Pane).show([], [Content.styled(clean_line(model), "name")])

    def on_unmount(self) -> None:
        """Nobody watches any more."""
        self._stop()

    def _stop(self) -> None:
        for answer in self._answers:
            answer.stop()

    @on(Input.Submitted)
    def action_ask(self) -> None:
        """Put the question to both; answers on their way are stopped."""
        field = self.query_one(Input)
        if question := field.value.strip():
            self._stop()
            self._answers = []
            for side, model in self._models.items():
                self._answer(question, model, self.query_one(f"#{side}", Pane))
            field.action_select_all()

    def _answer(self, question: str, model: str, pane: Pane) -> None:
        turn = awaited(model)
        answer = Answering(turn, pane.changed)
        self._answers.append(answer)
        pane.show([turn])
        pane.follow()
        self._write(answer, question, model, pane)

    @work
    async def _write(self, answer: Answering, question: str, model: str, pane: Pane) -> None:
        await answer.follow(self._edge.chat(question, stream=True, model=model, sampling=SAMPLING))
        if self.is_mounted:
            pane.changed()

    def action_scroll(self, pages: int) -> None:
        """Move both answers."""
        for pane in self.query(Pane):
            (pane.scroll_page_down if pages > 0 else pane.scroll_page_up)()
