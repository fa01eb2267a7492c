"""Whether a server runs, where, with which model, and how much it has to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from edgellm.safetext import clean_line
from edgellm_tui.render import meter

if TYPE_CHECKING:
    from edgellm.sdk.live import LiveFigures
    from edgellm.sdk.servers import RunningServer

DIM = "$foreground 65%"


@dataclass(frozen=True, slots=True)
class ServerState:
    """What is known at one moment."""

    server: RunningServer | None = None
    live: LiveFigures | None = None
    now: float = 0.0
    stopping_s: float | None = None
    """Since it was asked to end; None: it was not."""
    trouble: str = ""
    """Why it ended, or why it gives no figures; clean, on one line."""

    @property
    def url(self) -> str:
        """Where it takes requests; empty where it does not."""
        return (self.server.url or "") if self.server else ""


class ServerLine(Widget):
    """Two lines; takes values."""

    state: reactive[ServerState] = reactive(ServerState())

    def render(self) -> Content:
        """What it is, and how much it does or what is wrong."""
        width = max(self.size.width, 20)
        first = _first(self.state).truncate(width, ellipsis=True)
        return Content("\n").join([first, _second(self.state).truncate(width, ellipsis=True)])


def _first(state: ServerState) -> Content:
    server = state.server
    if server is None:
        return Content.assemble(("○ stopped", "bold"), ("   s starts a server", DIM))
    if state.stopping_s is not None:
        word = Content.styled("◌ stopping", "bold $text-warning")
        since = f"   {meter.seconds(state.stopping_s)}: what is open may become complete"
        return word + Content.styled(since, DIM)
    at = server.url or f"{server.host}:{server.port}"
    age = meter.seconds(max(state.now - server.started_at, 0.0))
    facts = Content.assemble((f"   {clean_line(server.model)}   {age}", DIM))
    if server.url is None:
        return Content.styled("◐ starting", "bold $text-warning") + Content(f"   {clean_line(at)}") + facts
    return Content.assemble(("● running", "bold $text-success"), "   ", (clean_line(at), "bold")) + facts


def _second(state: ServerState) -> Content:
    if state.trouble:
        return Content.styled(state.trouble, "$text-error")
    live = state.live
    if live is None:
        return Content("")
    parts = [
        f"{live.running} of {live.most_running} turns",
        f"{live.waiting} of {live.most_waiting} wait",
        f"{live.tokens_per_s:.1f} tok/s",
    ]
    used, total = (sum(getattr(one, name) for one in live.engines.values()) for name in ("cells_used", "cells_total"))
    if total:
        parts.append(f"{meter.tokens(used)} of {meter.tokens(total)} ctx")
    return Content.styled("   ".join(parts), DIM)
