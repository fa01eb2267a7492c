"""Exporting a model: the form, and what was made so far."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

from edgellm.errors import EdgeLLMError
from edgellm_tui.errors import explain
from edgellm_tui.exports import COMPARE, FORMS, SUGGESTED, WantedExport, checked, takes_quants
from edgellm_tui.screens.dialog import Dialog
from edgellm_tui.widgets.choice import ChoiceLine
from edgellm_tui.widgets.fields import LineField, knob


class NewExport(Dialog[WantedExport]):
    """One line a choice; the hint below follows the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next"),
        Binding("up", "app.focus_previous"),
        Binding("enter", "begin"),
    ]
    KEYS = "↑↓ move   ←→ choose   Enter begins   Esc leaves it"

    def __init__(self, model: str) -> None:
        super().__init__(f"Export {model}")
        self._model = model

    def compose_body(self) -> ComposeResult:
        """Form, quantizations, folder, suite."""
        yield from knob("As", ChoiceLine(list(FORMS), "gguf", id="export-form"))
        yield from knob("Quantized", LineField(placeholder=SUGGESTED, id="export-quants", compact=True))
        yield from knob("Folder", LineField(placeholder="EdgeLLM's own", id="export-folder", compact=True))
        yield from knob("Suite", LineField(placeholder="none", id="export-suite", compact=True, disabled=True))
        yield Static(id="knob-help", markup=False)

    def on_descendant_focus(self) -> None:
        """Explain the field in focus."""
        self._help(self._explained((self.focused.id or "") if self.focused else ""))

    @on(ChoiceLine.Changed)
    def _chosen(self) -> None:
        form = self._form
        self.query_one("#export-quants", Input).disabled = not takes_quants(form)
        self.query_one("#export-folder", Input).disabled = form == COMPARE
        self.query_one("#export-suite", Input).disabled = form != COMPARE
        self.on_descendant_focus()

    @property
    def _form(self) -> str:
        return self.query_one("#export-form", ChoiceLine).value

    def _explained(self, field: str) -> str:
        if field == "export-quants":
            return "F16, Q8_0, Q6_K, Q5_K_M, Q4_K_M, IQ4_XS, Q4_0 and others, separated by commas."
        if field == "export-folder":
            return "A folder that does not exist yet. Nothing is there until everything is."
        if field == "export-suite":
            return "Questions that each is asked, by the name or file of their suite; general and choices ship."
        return FORMS[self._form]

    def _help(self, text: str) -> None:
        self.query_one("#knob-help", Static).update(Content(text))

    @on(Input.Submitted)
    def action_begin(self) -> None:
        """Answer with what was chosen, or say what is wrong with it."""
        quants = self.query_one("#export-quants", Input).value.strip()
        folder = self.query_one("#export-folder", Input).value.strip()
        suite = self.query_one("#export-suite", Input).value.strip() if self._form == COMPARE else ""
        wanted = WantedExport(form=self._form, quants=quants, folder=folder, suite=suite)
        try:
            self.dismiss(checked(wanted, self._model))
        except EdgeLLMError as error:
            self.query_one("#export-form").focus()
            self.call_after_refresh(self._help, explain(error))
