"""Sessions as trees of messages in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Literal

from edgellm.errors import SessionNotFound
from edgellm.store.records import Rating, SearchHit, Session, StoredMessage
from tests.tui.fakes.clock import NOW


class FakeSessions:
    """Sessions as trees of messages."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.stored: dict[str, StoredMessage] = {}
        self.forks_asked = 0
        self._ids = count(1)

    def append(self, session_id: str, role: str, content: str, parent_id: str | None, **more: Any) -> StoredMessage:
        message = StoredMessage(
            id=f"m{next(self._ids)}",
            session_id=session_id,
            parent_id=parent_id,
            role=role,  # type: ignore[arg-type]
            content=content,
            created_at=NOW,
            **more,
        )
        self.stored[message.id] = message
        session = self.sessions[session_id]
        title = session.title or content.split("\n")[0][:48]
        self.sessions[session_id] = replace(session, head=message.id, title=title)
        return message

    async def create(self, *, title: str = "", model: str = "", system: str | None = None) -> Session:
        session = Session(
            id=f"s{next(self._ids)}", title=title, model=model, system=system, created_at=NOW, updated_at=NOW, head=None
        )
        self.sessions[session.id] = session
        return session

    async def talk(self, *contents: str, model: str = "m") -> Session:
        """A session in which questions and answers take turns."""
        session = await self.create(model=model)
        parent_id = None
        for number, content in enumerate(contents):
            role = "assistant" if number % 2 else "user"
            parent_id = self.append(session.id, role, content, parent_id).id
        return self.sessions[session.id]

    async def get(self, session_id: str) -> Session:
        if session_id not in self.sessions:
            raise SessionNotFound(f"There is no session {session_id!r}.")
        return self.sessions[session_id]

    async def list(self, limit: int = 50, offset: int = 0) -> Sequence[Session]:
        return list(reversed(self.sessions.values()))[offset : offset + limit]

    async def messages(self, session_id: str, leaf: str | None = None) -> Sequence[StoredMessage]:
        at = leaf or (await self.get(session_id)).head
        path: list[StoredMessage] = []
        while at:
            path.append(self.stored[at])
            at = self.stored[at].parent_id
        return path[::-1]

    async def forks(self, session_id: str) -> Mapping[str, Sequence[str]]:
        self.forks_asked += 1
        children: dict[str | None, list[str]] = {}
        for message in self.stored.values():
            if message.session_id == session_id:
                children.setdefault(message.parent_id, []).append(message.id)
        return {message_id: ids for ids in children.values() if len(ids) > 1 for message_id in ids}

    async def switch(self, session_id: str, message_id: str) -> Sequence[StoredMessage]:
        leaf = message_id
        while children := [m.id for m in self.stored.values() if m.parent_id == leaf]:
            leaf = children[-1]
        self.sessions[session_id] = replace(self.sessions[session_id], head=leaf)
        return await self.messages(session_id)

    async def rename(self, session_id: str, title: str) -> Session:
        self.sessions[session_id] = replace(await self.get(session_id), title=title)
        return self.sessions[session_id]

    async def delete(self, session_id: str) -> None:
        del self.sessions[session_id]

    async def search(self, query: str, limit: int = 50) -> Sequence[SearchHit]:
        hits = []
        for message in self.stored.values():
            at = message.content.lower().find(query.lower())
            if at >= 0 and message.session_id in self.sessions:
                start = max(0, at - 30)
                hits.append(
                    SearchHit(
                        session_id=message.session_id,
                        message_id=message.id,
                        title=self.sessions[message.session_id].title,
                        role=message.role,
                        snippet=message.content[start : at + 60],
                        highlights=((at - start, at - start + len(query)),),
                        created_at=NOW,
                    )
                )
        return hits[:limit]

    async def export(self, session_id: str, format: Literal["markdown", "json"] = "markdown") -> str:
        messages = await self.messages(session_id)
        if format == "json":
            return f'{{"messages": {len(messages)}}}'
        return "\n\n".join(f"**{m.role}**: {m.content}" for m in messages)

    async def rate(self, message_id: str, rating: Rating) -> None:
        self.stored[message_id] = replace(self.stored[message_id], rating=rating)

    async def correct(self, message_id: str, text: str) -> None:
        self.stored[message_id] = replace(self.stored[message_id], correction=text)
