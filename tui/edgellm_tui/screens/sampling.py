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

from edgellm.settings import field_help
from edgellm.types import Sampling
from edgellm_tui.screens.dialog import Dialog

WHOLE_OR_NONE = ("seed", "max_tokens")
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
RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 5),
    "top_p": (0, 1),
    "top_k": (0, 1_000_000),
    "min_p": (0, 1),
    "repeat_penalty": (0.1, 5),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "seed": (0, 2**32 - 2),
    "max_tokens": (1, 10_000_000),
}


def parse(field: str, text: str) -> float | int | None:
    """The value of a field. Raises: ValueError with what it takes."""
    text = text.strip()
    if not text and field in WHOLE_OR_NONE:
        return None
    low, high = RANGES[field]
    whole = field in (*WHOLE_OR_NONE, "top_k")
    try:
        value: float | int = int(text) if whole else float(text)
    except ValueError:
        raise ValueError("a whole number" if whole else "a number") from None
    if not low <= value <= high:
        raise ValueError(f"{low:g} to {high:g}")
    return value


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
                value = getattr(self._sampling, field)
                with Horizontal(classes="knob"):
                    yield Static(Content(field.replace("_", " ")), classes="knob-name", markup=False)
                    yield Input("" if value is None else f"{value:g}", id=f"knob-{field}", compact=True)
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
