"""The bottom line: keys that work now, and what the model is doing."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding
from textual.content import Content
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget

from edgellm.sizes import size
from edgellm_tui.commands import COMMANDS, SCOPES
from edgellm_tui.keys import short
from edgellm_tui.render import meter

CONTEXT_BAR_CELLS = 6
LOCAL_FIRST = (*(scope for scope in SCOPES if scope not in ("chat", "app")), "chat", "app")
ORDER = {c.id: number for number, c in enumerate(sorted(COMMANDS, key=lambda c: LOCAL_FIRST.index(c.scope)))}
"""Where a command stands in the line of keys."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """Numbers of the last answer and the loaded model; zero means unknown."""

    tokens_per_s: float = 0.0
    ttft_s: float = 0.0
    context_used: int = 0
    context_total: int = 0
    memory_bytes: int = 0
    waiting: int = 0
    """Prompts in the queue."""


class VitalsLine(Widget):
    """Tokens a second, time to first token, context, memory."""

    vitals = reactive(Vitals(), layout=True)

    def render(self) -> Content:
        """Only what is known."""
        v = self.vitals
        parts: list[Content] = []
        if v.waiting:
            parts.append(Content.styled(f"{v.waiting} waiting", "$text-warning"))
        if v.tokens_per_s:
            parts.append(_pair(f"{v.tokens_per_s:.0f}", "tok/s"))
        if v.ttft_s:
            parts.append(_pair(meter.seconds(v.ttft_s), "first"))
        if v.context_total:
            parts.append(_context(v))
        if v.memory_bytes:
            parts.append(_pair(size(v.memory_bytes), "mem"))
        return Content("  ").join(parts)


def _pair(value: str, unit: str) -> Content:
    return Content.assemble((value, "$foreground 85%"), (f" {unit}", "$foreground 50%"))


def _context(v: Vitals) -> Content:
    if not v.context_used:
        return _pair(meter.tokens(v.context_total), "ctx")
    share = v.context_used / v.context_total
    cells = round(min(share, 1.0) * CONTEXT_BAR_CELLS)
    colour = "$text-error" if share > 0.9 else "$text-warning" if share > 0.75 else "$primary"
    return Content.assemble(
        ("━" * cells, colour),
        ("─" * (CONTEXT_BAR_CELLS - cells), "$foreground 30%"),
        (f" {meter.tokens(v.context_used)}/{meter.tokens(v.context_total)}", "$foreground 85%"),
        (" ctx", "$foreground 50%"),
    )


class KeyLine(Widget):
    """Keys valid now, with what they do."""

    def on_mount(self) -> None:
        """Follow the focus, and what is put above the screen."""
        self.screen.bindings_updated_signal.subscribe(self, self._renew)
        self.watch(self.screen, "stack_updates", self._renew, init=False)

    def _renew(self, _: Screen[object] | int) -> None:
        self.refresh(layout=True)

    def render(self) -> Content:
        """As many keys as fit, most local first; none while a dialog has them."""
        if not self.screen.is_active:
            return Content("")
        shown: list[Content] = []
        room = self.size.width - 1
        for binding in self._shown_bindings():
            part = Content.assemble(
                (short(binding.key), "bold $primary"), (f" {binding.description}", "$foreground 65%")
            )
            if part.cell_length + 2 > room:
                break
            room -= part.cell_length + 2
            shown.append(part)
        return Content(" ") + Content("  ").join(shown)

    def _shown_bindings(self) -> list[Binding]:
        found: dict[str, Binding] = {}
        for active in self.screen.active_bindings.values():
            if active.binding.show and active.enabled:
                found.setdefault(active.binding.action, active.binding)
        return sorted(found.values(), key=lambda binding: ORDER.get(binding.id or "", len(ORDER)))
