"""Exporting a model: the form, and what was made so far."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from edgellm.errors import EdgeLLMError
from edgellm_tui.exports import COMPARE, FORMS, SUGGESTED, WantedExport, checked, takes_quants
from edgellm_tui.screens.form import Form
from edgellm_tui.widgets.choice import ChoiceLine
from edgellm_tui.widgets.fields import LineField, knob

_HELP = {
    "export-form": "{form}",
    "export-quants": "F16, Q8_0, Q6_K, Q5_K_M, Q4_K_M, IQ4_XS, Q4_0 and others, separated by commas.",
    "export-folder": "A folder that does not exist yet. Nothing is there until everything is.",
    "export-suite": "Questions that each is asked, by the name or file of their suite; general and choices ship.",
}


class NewExport(Form[WantedExport]):
    """What is made of a model."""

    KEYS = "↑↓ move   ←→ choose   Enter begins   Esc leaves it"
    HINTS = _HELP

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

    @on(ChoiceLine.Changed)
    def _chosen(self) -> None:
        form = self.value("export-form")
        self.query_one("#export-quants", Input).disabled = not takes_quants(form)
        self.query_one("#export-folder", Input).disabled = form == COMPARE
        self.query_one("#export-suite", Input).disabled = form != COMPARE

    def hint(self, name: str) -> str:
        """What a field is for; of the form, what that one is."""
        return super().hint(name).format(form=FORMS[self.value("export-form")])

    @on(Input.Submitted)
    def action_done(self) -> None:
        """Answer with what was chosen, or say what is wrong with it."""
        form = self.value("export-form")
        wanted = WantedExport(
            form=form,
            quants=self.value("export-quants").strip(),
            folder=self.value("export-folder").strip(),
            suite=self.value("export-suite").strip() if form == COMPARE else "",
        )
        try:
            self.dismiss(checked(wanted, self._model))
        except EdgeLLMError as error:
            self.refuse(error, f"export-{error.facts.get('field', 'form')}")
