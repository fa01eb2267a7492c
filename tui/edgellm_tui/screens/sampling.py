"""The sampling panel: every knob with what it does."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from edgellm.sampling import NUMBERS, OPTIONAL_NUMBERS
from edgellm.settings import field_help
from edgellm.types import Sampling
from edgellm_tui.screens.dialog import Dialog
from edgellm_tui.widgets.fields import LineField

FIELDS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "max_tokens",
)


def parse(field: str, text: str) -> float | int | None:
    """The value of a field; nothing for an empty one that may be. Raises: ValueError with what it takes."""
    if not text.strip() and field in OPTIONAL_NUMBERS:
        return None
    allowed = (NUMBERS | OPTIONAL_NUMBERS)[field]
    try:
        value: float | int = int(text) if allowed.whole else float(text)
    except ValueError:
        raise ValueError(str(allowed)) from None
    if not allowed.contains(value):
        raise ValueError(str(allowed))
    return value


def shown(value: float | int | None) -> str:
    """A value as it can be typed; empty for none."""
    return "" if value is None else str(value).removesuffix(".0")


class SamplingPanel(Dialog[Sampling]):
    """One line a knob; the hint below follows the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", priority=True),
        Binding("down", "app.focus_next"),
        Binding("up", "app.focus_previous"),
    ]
    KEYS = "↑↓ move   Enter or Ctrl+S applies   Esc leaves it"

    def __init__(self, sampling: Sampling) -> None:
        super().__init__("How the next token is chosen")
        self._sampling = sampling
        self._help = field_help(Sampling)

    def compose_body(self) -> ComposeResult:
        """The knobs."""
        with VerticalScroll(id="dialog-scroll", can_focus=False):
            for field in FIELDS:
                with Horizontal(classes="knob"):
                    yield Static(Content(field.replace("_", " ")), classes="knob-name", markup=False)
                    value = shown(getattr(self._sampling, field))
                    yield LineField(value, id=f"knob-{field}", compact=True)
        yield Static(Content(""), id="knob-help", markup=False)

    def on_descendant_focus(self) -> None:
        """Explain the knob in focus."""
        name = (self.focused.id or "").removeprefix("knob-") if self.focused else ""
        self.query_one("#knob-help", Static).update(Content(self._help.get(name, "")))

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Answer with the new values, or say what is wrong with one."""
        values: dict[str, float | int | None] = {}
        for field in FIELDS:
            entry = self.query_one(f"#knob-{field}", Input)
            try:
                values[field] = parse(field, entry.value)
            except ValueError as error:
                entry.focus()
                self.query_one("#knob-help", Static).update(Content(f"{field} takes {error}"))
                return
        self.dismiss(replace(self._sampling, **values))  # type: ignore[arg-type]
