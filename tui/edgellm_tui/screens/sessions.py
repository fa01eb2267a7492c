"""The sessions page: earlier conversations, searched as you type."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line, safe_file_name
from edgellm_tui.commands import bindings
from edgellm_tui.messages import OpenSession, Refused
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.render import meter
from edgellm_tui.screens.chat_dialogs import export_session

if TYPE_CHECKING:
    from edgellm.store.records import SearchHit, Session

SEARCH_AFTER_S = 0.12
"""Pause in typing after which a search begins."""
MOST_LISTED = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the list."""

    session_id: str
    title: str
    content: Content
    message_id: str | None = None


class SessionsPage(Vertical):
    """Search above, list below."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("sessions")

    def __init__(self, edge: Edge, preferences: Preferences, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.edge = edge
        self.preferences = preferences
        self._lines: list[Line] = []

    def compose(self) -> ComposeResult:
        """Search, what was found, list."""
        yield Input(placeholder="Search all conversations", id="sessions-search", compact=True)
        yield Static(id="sessions-count", markup=False)
        yield OptionList(id="sessions-list", compact=True)

    def focus_default(self) -> None:
        """Typing searches; the list is read again each time the page is shown."""
        self.query_one(Input).focus()
        self.renew()

    @on(Input.Changed)
    def _typed(self) -> None:
        self.renew()

    @work(exclusive=True)
    async def renew(self) -> None:
        """List all sessions, or what the search finds."""
        import asyncio

        query = self.query_one(Input).value.strip()
        try:
            if query:
                await asyncio.sleep(SEARCH_AFTER_S)
                hits = await self.edge.sessions.search(query)
                self._fill([_hit_line(hit) for hit in hits], f"{len(hits)} found")
            else:
                sessions = await self.edge.sessions.list(limit=MOST_LISTED)
                now = time.time()
                self._fill([_session_line(session, now) for session in sessions], _count(len(sessions)))
        except EdgeLLMError as error:
            self.post_message(Refused(error))

    def _fill(self, lines: list[Line], count: str) -> None:
        options = self.query_one(OptionList)
        before = self.line
        self._lines = lines
        options.clear_options()
        options.add_options([Option(line.content) for line in lines])
        ids = [line.session_id for line in lines]
        options.highlighted = (
            ids.index(before.session_id) if before and before.session_id in ids else 0 if ids else None
        )
        self.query_one("#sessions-count", Static).update(Content.styled(count, "$foreground 55%"))

    @property
    def line(self) -> Line | None:
        """The highlighted line."""
        index = self.query_one(OptionList).highlighted
        return self._lines[index] if index is not None and index < len(self._lines) else None

    def on_key(self, event: object) -> None:
        """Arrows move the list while the search keeps the focus."""
        key = getattr(event, "key", "")
        options = self.query_one(OptionList)
        if key in ("down", "up") and self.query_one(Input).has_focus:
            (options.action_cursor_down if key == "down" else options.action_cursor_up)()

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def action_open(self) -> None:
        """Resume the highlighted conversation."""
        if line := self.line:
            self.post_message(OpenSession(line.session_id, line.message_id))

    @work
    async def action_rename(self) -> None:
        """Give it another title."""
        from edgellm_tui.screens.dialog import AskLine

        if line := self.line:
            title = await self.app.push_screen_wait(AskLine("Title", line.title))
            if title:
                await self._change(self.edge.sessions.rename(line.session_id, title))

    @work
    async def action_delete(self) -> None:
        """Delete it, after a question."""
        from edgellm_tui.screens.dialog import Confirm

        if line := self.line:
            question = Confirm("Delete this conversation?", f"{line.title}\nwith all its branches and ratings.")
            if await self.app.push_screen_wait(question):
                await self._change(self.edge.sessions.delete(line.session_id))

    @work
    async def action_export(self, format: Literal["markdown", "json"]) -> None:
        """Write it to a file in the current folder."""
        if line := self.line:
            path = Path.cwd() / f"{safe_file_name(line.title)}.{'md' if format == 'markdown' else 'json'}"
            await self._change(export_session(self.edge, line.session_id, path))
            if path.exists():
                self.notify(f"Exported to {clean_line(str(path))}", markup=False)

    async def _change(self, change: object) -> None:
        try:
            await change  # type: ignore[misc]
        except EdgeLLMError as error:
            self.post_message(Refused(error))
        self.renew()

    async def action_leave(self) -> None:
        """Clear the search, or go back to the chat."""
        entry = self.query_one(Input)
        if entry.value:
            entry.value = ""
        else:
            await self.app.run_action("page('chat')")


def _count(sessions: int) -> str:
    return "No conversations yet" if not sessions else f"{sessions} conversation{'s' if sessions > 1 else ''}"


def _session_line(session: Session, now: float) -> Line:
    title = clean_line(session.title) or "Untitled"
    age = meter.ago(now - session.updated_at)
    content = Content.assemble(
        (f"{age:>9}  ", "$foreground 50%"), (title, "bold"), (f"   {clean_line(session.model)}", "$foreground 50%")
    )
    return Line(session.id, title, content)


def _hit_line(hit: SearchHit) -> Line:
    title = clean_line(hit.title) or "Untitled"
    who = {"user": "you", "assistant": "model"}.get(hit.role or "", "title")
    head = Content.assemble((f"{who:>9}  ", "$foreground 50%"), (title, "bold"))
    return Line(hit.session_id, title, head + Content("\n           ") + _snippet(hit), hit.message_id)


def _snippet(hit: SearchHit) -> Content:
    """The snippet with its matches marked; each part is cleaned by itself, so that offsets stay right."""
    parts: list[tuple[str, str]] = []
    position = 0
    for start, end in hit.highlights:
        parts.append((clean_line(hit.snippet[position:start]), "$foreground 75%"))
        parts.append((clean_line(hit.snippet[start:end]), "bold $text-accent underline"))
        position = end
    parts.append((clean_line(hit.snippet[position:]), "$foreground 75%"))
    return Content.assemble(*parts)
