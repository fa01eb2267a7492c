"""The sessions page: earlier conversations, searched as you type."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, Static

from edgellm.safetext import clean_line
from edgellm_tui.commands import bindings
from edgellm_tui.export import export_session, new_file_name
from edgellm_tui.messages import OpenSession, SessionChanged
from edgellm_tui.render import meter
from edgellm_tui.screens.listing import ListPage

if TYPE_CHECKING:
    from edgellm.store.records import SearchHit, Session

SEARCH_AFTER_S = 0.12
"""Pause in typing after which a search begins."""
MOST_LISTED = 500
_MARGIN = 11
"""Cells left of a title, and of every line of what was found."""


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation of the list, or a place in one."""

    name: str
    """Id of the session."""
    title: str
    content: Content
    message_id: str | None = None
    words: tuple[str, ...] = ()
    """What the search found in the message."""

    def line(self) -> Content:
        """When or who, title, and what was found."""
        return self.content


class SessionsPage(ListPage[Found]):
    """Search above, how many were found, list."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("sessions")
    HINT = "Search all conversations"
    ENTER = "open"
    NEED_AN_ITEM = frozenset({"open", "rename", "export", "delete"})

    def compose_below(self) -> ComposeResult:
        """How many, list."""
        self.count = Static(id="sessions-count", markup=False)
        yield self.count
        yield self.list

    def on_resize(self) -> None:
        """What was found is broken into lines anew."""
        if self.field.value.strip():
            self.renew()

    @on(Input.Changed)
    def _typed(self) -> None:
        self.renew()

    async def read(self) -> None:
        """All sessions, or what the search finds."""
        query = self.field.value.strip()
        if query:
            await asyncio.sleep(SEARCH_AFTER_S)
            hits = await self.edge.sessions.search(query)
            count = f"{len(hits)} found"
            width = self.list.scrollable_content_region.width - 2  # the list's padding
            self.fill([_hit(hit, max(width, 2 * _MARGIN)) for hit in hits])
        else:
            sessions = await self.edge.sessions.list(limit=MOST_LISTED)
            count, now = _count(len(sessions)), time.time()
            self.fill([_session(session, now) for session in sessions])
        self.count.update(Content.styled(count, "$foreground 55%"))

    def action_open(self) -> None:
        """Resume the highlighted conversation."""
        if found := self.chosen:
            self.post_message(OpenSession(found.name, found.message_id, found.words))

    @work
    async def action_rename(self) -> None:
        """Give it another title."""
        from edgellm_tui.screens.dialog import AskLine

        if found := self.chosen:
            title = await self.app.push_screen_wait(AskLine("Title", found.title))
            if title and await self.change(self.edge.sessions.rename(found.name, title)):
                self.post_message(SessionChanged(found.name))

    @work
    async def action_delete(self) -> None:
        """Delete it, after a question."""
        from edgellm_tui.screens.dialog import Confirm

        if found := self.chosen:
            question = Confirm("Delete this conversation?", f"{found.title}\nwith all its branches and ratings.")
            is_meant = await self.app.push_screen_wait(question)
            if is_meant and await self.change(self.edge.sessions.delete(found.name)):
                self.post_message(SessionChanged(found.name))

    @work
    async def action_export(self, ending: Literal["md", "json"]) -> None:
        """Write it to a file in the current folder."""
        if found := self.chosen:
            await self.change(self._export(found.name, new_file_name(found.title, ending)))

    async def _export(self, session_id: str, name: str) -> None:
        path = await export_session(self.edge, session_id, name)
        self.notify(f"Exported to {clean_line(str(path))}", markup=False)


def _count(sessions: int) -> str:
    return "No conversations yet" if not sessions else f"{sessions} conversation{'s' if sessions > 1 else ''}"


def _session(session: Session, now: float) -> Found:
    title = clean_line(session.title) or "Untitled"
    age = meter.ago(now - session.updated_at)
    content = Content.assemble(
        (f"{age:>9}  ", "$foreground 50%"), (title, "bold"), (f"   {clean_line(session.model)}", "$foreground 50%")
    )
    return Found(session.id, title, content)


def _hit(hit: SearchHit, width: int) -> Found:
    title = clean_line(hit.title) or "Untitled"
    who = {"user": "you", "assistant": "model"}.get(hit.role or "", "title")
    head = Content.assemble((f"{who:>9}  ", "$foreground 50%"), (title, "bold"))
    words = tuple(filter(None, (clean_line(hit.snippet[start:end]) for start, end in hit.highlights)))
    lines = [Content(" " * _MARGIN) + line for line in _snippet(hit).wrap(width - _MARGIN)]
    return Found(hit.session_id, title, Content("\n").join([head, *lines]), hit.message_id, words)


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
