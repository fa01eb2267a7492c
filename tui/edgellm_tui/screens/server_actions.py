"""What can be done on the server page."""

from __future__ import annotations

import time
from abc import abstractmethod
from time import monotonic
from typing import TYPE_CHECKING, Any

from textual import work
from textual.content import Content

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui.messages import Refused
from edgellm_tui.new_key import WantedKey, WantedServer
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.screens.listing import RowsPage
from edgellm_tui.serving import Detailed, KeyRow
from edgellm_tui.widgets.sections import Sections
from edgellm_tui.widgets.server_line import ServerLine

if TYPE_CHECKING:
    from edgellm.sdk.live import LiveFigures

SECTIONS = {"requests": "Requests", "keys": "Keys", "usage": "Usage", "log": "Log", "audit": "Audit"}


class ServerActions(RowsPage[Detailed]):
    """Half of the server page: each action asks what has to be asked, and does it."""

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(edge, preferences, id=id)
        self.line = ServerLine(id="server-line")
        self.sections = Sections(SECTIONS, "requests", id="server-sections")
        self.wanted = WantedServer(model=preferences.default_model)
        """What the form begins with."""
        self.stopping_at: float | None = None

    @abstractmethod
    def look(self) -> object:
        """Read the server's state."""

    @work(exclusive=True, group="dialog")
    async def action_start_stop(self) -> None:
        """Start a server, or stop the one that runs."""
        try:
            server = await self.edge.server.status()
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        if server is None:
            await self._start()
        elif self.stopping_at is None:
            await self._ask_to_stop(server.url or "")

    async def _start(self) -> None:
        from edgellm_tui.screens.server_dialogs import StartForm

        try:
            models = [model.name for model in await self.edge.models.list()]
            models += [alias.name for alias in await self.edge.aliases.list()]
            has_key = any(key.state(time.time()) == "active" for key in await self.edge.keys.list())
            wanted = await self.app.push_screen_wait(StartForm(self.wanted, models, has_key=has_key))
            if wanted is None:
                return
            self.wanted = wanted
            await self.edge.server.begin(wanted.options(has_key=has_key))
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        self.look()

    async def _ask_to_stop(self, url: str) -> None:
        from edgellm_tui.screens.dialog import Confirm

        question = Confirm(f"Stop the server{f' at {url}' if url else ''}?", _consequence(self.line.state.live))
        if await self.app.push_screen_wait(question):
            self._stop()

    @work(group="stop")
    async def _stop(self) -> None:
        """Ask it to end and wait; the page's line says for how long."""
        self.stopping_at = monotonic()
        self.look()
        try:
            await self.edge.server.stop()
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        else:
            self.notify("The server has stopped", markup=False)
        finally:
            self.stopping_at = None
        self.look()

    def action_copy(self) -> None:
        """Copy the server's address."""
        if url := self.line.state.url:
            self.app.copy_to_clipboard(url)
            self.notify(f"Copied {url}", timeout=2, markup=False)

    @work(exclusive=True, group="dialog")
    async def action_new(self) -> None:
        """Make a key and show its secret, this once."""
        from edgellm_tui.screens.server_dialogs import NewKeyForm, SecretDialog

        wanted, trouble = WantedKey(), None
        while filled := await self.app.push_screen_wait(NewKeyForm(wanted, trouble)):
            wanted = filled
            role: Any = wanted.role
            try:
                limits = wanted.limits()
                absent = await self.edge.keys.absent(limits)  # first: nothing may fail once there is a secret to show
                new = await self.edge.keys.create(wanted.name, role=role, limits=limits, days=wanted.days())
            except EdgeLLMError as error:
                trouble = error
                continue
            await self.app.push_screen_wait(SecretDialog(new.key.name, new.secret, absent))
            self.sections.action_choose("keys")
            return

    @work(exclusive=True, group="dialog")
    async def action_revoke(self) -> None:
        """Make the highlighted key invalid, after a question."""
        from edgellm_tui.screens.dialog import Confirm

        row = self.chosen
        if not isinstance(row, KeyRow):
            self.notify("Choose a key first: → leads to the keys", markup=False)
            return
        name = clean_line(row.key.name)
        if row.state == "revoked":
            self.notify(f"{name} is revoked already", markup=False)
            return
        consequence = "It is invalid at once and for good, also for answers on their way. What it used stays counted."
        if await self.app.push_screen_wait(Confirm(f"Revoke the key of {name}?", consequence)):
            await self.change(self.edge.keys.revoke(row.key.id))

    @work(exclusive=True, group="verify")
    async def action_verify(self) -> None:
        """Walk the audit log's chain from its first entry to its last."""
        from edgellm_tui.screens.dialog import Reading

        try:
            check = await self.edge.audit.verify()
        except EdgeLLMError as error:
            self.post_message(Refused(error))
            return
        head = str(check.head)
        if check.is_sound:
            lines = [f"Every one of the {check.entries:,} entries is as it was written.", "", "It ends with", head]
            lines += ["", "Kept elsewhere, this end proves later that nothing was cut off:"]
            lines += ["edgellm audit verify --head COUNT:HASH"]
            self.app.push_screen(Reading("The audit log is sound", [Content(line) for line in lines]))
        else:
            lines = [f"At entry {check.broken_at}: {clean_line(check.reason)}.", "", "It is sound up to", head]
            self.app.push_screen(Reading("The audit log was changed", [Content(line) for line in lines]))

    def action_details(self) -> None:
        """Show all that is known of the highlighted row."""
        from edgellm_tui.screens.dialog import Reading

        row = self.chosen
        if row is None:
            return
        facts = row.details(time.time())
        cells = max(len(name) for name, _ in facts) + 2
        lines = [
            Content.assemble((f"{clean_line(name):<{cells}}", "$foreground 55%"), clean_line(value))
            for name, value in facts
        ]
        title = row.key.name if isinstance(row, KeyRow) else f"{self.sections.chosen.capitalize()} {row.name}"
        self.app.push_screen(Reading(title, lines))


def _consequence(live: LiveFigures | None) -> str:
    """What becomes of open requests when the server is stopped."""
    if live is None:
        return "What is open has a few seconds to become complete."
    count = len(live.requests)
    if count == 0:
        return "No request is open."
    open_ones = "One request is open: it has" if count == 1 else f"{count} requests are open: they have"
    return f"{open_ones} a few seconds to become complete."
