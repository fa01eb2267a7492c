"""Before a run of the loop: its plan."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from edgellm.errors import EdgeLLMError
from edgellm_tui.errors import report
from edgellm_tui.improving import plan_lines
from edgellm_tui.ports import Edge
from edgellm_tui.screens.dialog import Dialog
from edgellm_tui.wording import in_app


class ImprovePlanDialog(Dialog[bool]):
    """What a run would do, and what speaks against it; Enter begins it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "begin"), Binding("escape", "dismiss(False)")]
    KEYS = "Esc leaves it"

    def __init__(self, edge: Edge, alias: str) -> None:
        super().__init__(f"The next version of {alias}")
        self._edge, self._alias = edge, alias
        self._may_begin = False

    def compose_body(self) -> ComposeResult:
        """The plan as it comes."""
        with VerticalScroll(id="dialog-scroll"):
            yield Static(Content("Looking into the queue …"), id="plan-text", markup=False)

    def on_mount(self) -> None:
        """Begin to plan."""
        self._plan()

    @work
    async def _plan(self) -> None:
        try:
            plan = await self._edge.improve.plan(self._alias)
        except EdgeLLMError as error:
            self._say(Content.styled(report(error), "$text-error"))
            return
        words = {text: in_app(text) for each in plan.refusals for text in (each.message, each.hint)}
        self._say(Content("\n").join(plan_lines(plan, words)))
        self._may_begin = not plan.refusals
        if self._may_begin:
            self.query_one("#dialog-keys", Static).update(Content("Enter begins   Esc leaves it"))

    def _say(self, text: Content) -> None:
        self.query_one("#plan-text", Static).update(text)

    def action_begin(self) -> None:
        """Answer yes, once the plan is known and nothing speaks against it."""
        if self._may_begin:
            self.dismiss(True)
