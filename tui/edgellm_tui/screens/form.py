"""A form: one line a field; the hint below follows the focus, and says what is wrong with a field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

from edgellm.errors import EdgeLLMError
from edgellm_tui.errors import explain
from edgellm_tui.screens.dialog import Answer, Dialog
from edgellm_tui.widgets.choice import ChoiceLine


class Form(Dialog[Answer]):
    """Fields, and a line with the id `knob-help` below them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next"),
        Binding("up", "app.focus_previous"),
        Binding("enter", "done"),
    ]
    HINTS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, title: str, trouble: EdgeLLMError | None = None) -> None:
        """`trouble`: what was wrong with what stands in the form."""
        super().__init__(title)
        self._trouble = trouble
        self._refused: tuple[str, str, str] = ("", "", "")
        """A field, what stood in it, and what is wrong with that."""

    def on_mount(self) -> None:
        """Say at once what was wrong."""
        super().on_mount()
        if self._trouble is not None:
            self.refuse(self._trouble)

    def on_descendant_focus(self) -> None:
        """Explain the field in focus, or say what is wrong with it."""
        name = (self.focused.id or "") if self.focused else ""
        wrong = self._refused[2] if name == self._refused[0] else ""
        self.query_one("#knob-help", Static).update(
            Content.styled(wrong or self.hint(name), "$text-error" if wrong else "")
        )

    @on(Input.Changed)
    @on(ChoiceLine.Changed)
    def _changed(self) -> None:
        """What was changed is not refused any more; a choice may have another hint now."""
        if self._refused[0] and self.value(self._refused[0]) != self._refused[1]:
            self._refused = ("", "", "")
        self.on_descendant_focus()

    def hint(self, name: str) -> str:
        """What a field is for."""
        return self.HINTS.get(name, "")

    def value(self, name: str) -> str:
        """What stands in a field."""
        found = self.query_one(f"#{name}")
        assert isinstance(found, Input | ChoiceLine)
        return found.value

    def refuse(self, error: EdgeLLMError, name: str = "") -> None:
        """Go to the field that is wrong (by default the one that the error names), and say why."""
        name = name or str(error.facts.get("field", ""))
        name = name if name in self.HINTS else next(iter(self.HINTS))
        self._refused = (name, self.value(name), explain(error))
        self.query_one(f"#{name}").focus()
        self.on_descendant_focus()

    @on(Input.Submitted)
    def action_done(self) -> None:
        """Answer with what was filled in."""
