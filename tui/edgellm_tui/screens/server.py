"""The server page: start and stop, what it does, keys and their budgets, usage, and the audit log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static
from textual.worker import Worker

from edgellm.errors import EdgeLLMError
from edgellm_tui.commands import bindings
from edgellm_tui.errors import explain
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.screens.server_actions import ServerActions
from edgellm_tui.serving import (
    AUDIT_HEAD,
    DAYS_HEAD,
    KEYS_HEAD,
    LOG_HEAD,
    REQUESTS_HEAD,
    DayRow,
    Detailed,
    RequestRow,
    audit_rows,
    key_rows,
    last_days,
    trouble_rows,
)
from edgellm_tui.widgets.sections import Sections
from edgellm_tui.widgets.server_line import ServerState
from edgellm_tui.widgets.usage_chart import MOST_DAYS, UsageChart
from edgellm_tui.wording import in_app

if TYPE_CHECKING:
    from edgellm.sdk.servers import RunningServer

LOOK_EVERY_S = 1.0
READ_EVERY = 5
"""Looks from one reading of keys, usage and audit log to the next."""
MOST_ENTRIES = 200
DAY_S = 86_400.0
HEADS = {"requests": REQUESTS_HEAD, "keys": KEYS_HEAD, "usage": DAYS_HEAD, "log": LOG_HEAD, "audit": AUDIT_HEAD}
EMPTY = {
    "stopped": "No server was started from here. s starts one: programs on this computer, and with a key those of "
    "others, then use its models as they use OpenAI's, Anthropic's or Ollama's, by changing one address. It goes on "
    "when the app is closed.",
    "requests": "No request is open.",
    "keys": "There is no key yet. Until there is one, every program on this computer may use the server, and nobody "
    "else can. n makes one; from then on each client needs one.",
    "usage": "Nothing was counted yet: every request that ends is, by its tokens, its time and its outcome.",
    "log": "Nothing went wrong: the server's own errors stand here, without a word of what clients asked.",
    "audit": "Nothing was logged yet.",
}


class ServerPage(ServerActions):
    """The server's state above, one of five lists below."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("server")
    ENTER = "details"
    NEED_AN_ITEM = frozenset({"details"})

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(edge, preferences, id=id)
        self._head = Static(id="server-head", markup=False)
        self._said = Static(id="server-said", markup=False)
        self._chart = UsageChart(id="server-chart")
        self._looks = 0
        self._looking: Worker[None] | None = None
        self._shown = ""
        """Section whose rows are in the list."""

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.line
        yield self.sections
        yield self._said
        yield self._chart
        yield self._head
        yield self.list

    def on_mount(self) -> None:
        """The server is looked at once a second while the page is shown."""
        self.set_interval(LOOK_EVERY_S, self._tick)

    def focus_default(self) -> None:
        """Keys act on the highlighted row; everything is read again each time the page is shown."""
        self.screen.set_focus(self.list)
        self.look()
        self.renew()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys are shown where they do something."""
        if action == "revoke":
            return self.sections.chosen == "keys" and self.chosen is not None
        if action == "copy":
            return bool(self.line.state.url)
        return super().check_action(action, parameters)

    # What the server does

    def _tick(self) -> None:
        is_busy = self._looking is not None and not self._looking.is_finished  # a server may take long to answer
        if self.display and self.screen.is_active and not is_busy:
            self._looks += 1
            self._looking = self.look()

    @work(exclusive=True, group="look")
    async def look(self) -> None:
        """Read the server's state; every few seconds also the list."""
        before = self.line.state
        state = await self._state(before)
        self.line.state = state
        self._announce(before, state)
        self.refresh_bindings()
        if self.sections.chosen == "requests" or self._looks % READ_EVERY == READ_EVERY - 1:
            try:
                await self.read()
            except EdgeLLMError as error:
                self.line.state = replace(state, trouble=explain(error))

    async def _state(self, before: ServerState) -> ServerState:
        """What is known now; a server that gives no figures is told from one that does not run."""
        server: RunningServer | None = before.server
        stopping_s = None if self.stopping_at is None else monotonic() - self.stopping_at
        try:
            server = await self.edge.server.status()
            words = "" if server else await self.edge.server.last_words()
            live = await self.edge.server.live() if server and server.url and stopping_s is None else None
        except EdgeLLMError as error:
            return ServerState(server, None, time.time(), stopping_s, explain(error))
        return ServerState(server, live, time.time(), stopping_s, f"It ended: {in_app(words)}" if words else "")

    def _announce(self, before: ServerState, now: ServerState) -> None:
        """Say how the start went that was waited for."""
        if before.server is None or before.url:
            return
        if now.url:
            self.notify(f"The server takes requests at {now.url}", markup=False)
        elif now.server is None and before.stopping_s is None:
            self.notify(now.trouble or "It ended.", title="The server did not start", severity="error", markup=False)

    # The list

    @on(Sections.Chosen)
    def _section_chosen(self) -> None:
        self.renew()

    async def read(self) -> None:
        """The rows of the chosen section."""
        section = self.sections.chosen
        rows = await self._rows(section)
        if section != self.sections.chosen:
            return  # another was chosen meanwhile
        if section != self._shown:
            self._shown = section
            self._head.update(HEADS[section])
            self.fill([])
        if list(rows) != list(self._items):
            self.fill(rows)
        self._chart.display = section == "usage" and bool(rows)
        self._head.display = bool(rows)
        self._explain(section if rows or section != "requests" or self.line.state.server else "stopped")

    def _explain(self, section: str) -> None:
        """Above an empty list stands why it is empty, and above open requests how clients come here."""
        said = ("Tokens read and written, by day" if section == "usage" else "") if self._items else EMPTY[section]
        if section == "requests" and (url := self.line.state.url):
            said = f"{said} Clients of OpenAI call {url}/v1, those of Anthropic and Ollama {url}.".strip()
        self._said.update(Content.styled(said, "$foreground 70%"))
        self._said.display = bool(said)

    async def _rows(self, section: str) -> Sequence[Detailed]:
        now = time.time()
        if section == "keys":
            keys = await self.edge.keys.list()
            return key_rows(keys, await self.edge.usage.totals("tenant", _midnight(now)), now)
        if section == "usage":
            totals = await self.edge.usage.totals("day", now - MOST_DAYS * DAY_S)
            self._chart.show(lambda count: last_days(totals, date.fromtimestamp(now), count))
            return [DayRow(total.key, total) for total in totals]
        if section == "log":
            return trouble_rows(await self.edge.server.log())
        if section == "audit":
            return audit_rows(await self.edge.audit.list(MOST_ENTRIES), await self.edge.keys.list())
        live = self.line.state.live
        return [RequestRow(str(number), request) for number, request in enumerate(live.requests if live else ())]

    def action_section(self, step: int) -> None:
        """Show the section before or after."""
        self.sections.step(step)

    async def action_leave(self) -> None:
        """Back to the chat."""
        await self.app.run_action("page('chat')")


def _midnight(now: float) -> float:
    from edgellm.server.budget import start_of_day  # where the budgets' days begin

    return start_of_day(now)
