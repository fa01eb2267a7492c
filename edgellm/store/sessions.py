"""Sessions and their message trees."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Literal, Unpack

from edgellm.store import search, transfer
from edgellm.store.db import Database
from edgellm.store.ids import new_id
from edgellm.store.records import (
    REFUSED,
    AnswerDetails,
    MessageDetails,
    SearchHit,
    Session,
    StoredMessage,
    storable,
)
from edgellm.store.review_capture import Signal, Subject, signalled
from edgellm.store.review_items import Origin
from edgellm.store.rows import (
    MESSAGE,
    SESSION,
    branch_to,
    get_message,
    get_session,
    insert_message,
    insert_session,
    message_columns,
    message_of,
    session_of,
)
from edgellm.types import Role

__all__ = ["ROOT", "SearchHit", "Session", "Sessions", "StoredMessage"]

ROOT = ""
"""As a parent: before the first message."""


class Sessions:
    """A session is a tree of messages; its head names the branch that is shown and continued.

    Nothing is ever overwritten by a new branch: editing or answering again makes a sibling.
    Errors of every method: SessionNotFound, NotFound (a message), StoreError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, *, title: str = "", model: str = "", system: str | None = None) -> Session:
        """A new, empty session."""
        now = self._database.clock()
        session = Session(
            id=new_id(),
            title=storable(title),
            model=storable(model),
            system=None if system is None else storable(system),
            created_at=now,
            updated_at=now,
            head=None,
        )
        with self._database.write() as execute:
            insert_session(execute, session)
        return session

    def get(self, session_id: str) -> Session:
        """One session."""
        return get_session(self._database.read, session_id)

    def list(self, limit: int = 50, offset: int = 0) -> builtins.list[Session]:
        """Sessions, most recently used first."""
        sql = f"{SESSION} ORDER BY updated_at DESC, number DESC LIMIT ? OFFSET ?"
        return [session_of(row) for row in self._database.read(sql, (limit, offset))]

    def latest(self) -> Session | None:
        """The most recently used session in which anything but refused questions was said; None when there is none."""
        said = "SELECT 1 FROM messages WHERE session_id = sessions.id AND finish_reason IS NOT ?"
        sql = f"{SESSION} WHERE EXISTS ({said}) ORDER BY updated_at DESC, number DESC LIMIT 1"
        rows = self._database.read(sql, (REFUSED,))
        return session_of(rows[0]) if rows else None

    def rename(self, session_id: str, title: str) -> Session:
        """Give a session another title."""
        with self._database.write() as execute:
            execute("UPDATE sessions SET title = ? WHERE id = ?", (storable(title), storable(session_id)))
        return self.get(session_id)

    def delete(self, session_id: str) -> None:
        """Remove a session with its messages and their feedback."""
        self.get(session_id)
        with self._database.write() as execute:
            execute("DELETE FROM sessions WHERE id = ?", (session_id,))

    def append(
        self,
        session_id: str,
        role: Role,
        content: str,
        *,
        parent_id: str | None = None,
        **details: Unpack[MessageDetails],
    ) -> StoredMessage:
        """Add a message and make it the head.

        `parent_id` None continues the branch that is shown, ROOT begins another first message.
        """
        with self._database.write() as execute:
            session = get_session(execute, session_id)
            parent = session.head if parent_id is None else parent_id or None
            if parent is not None:
                get_message(execute, parent, session_id)
            message = StoredMessage(
                id=new_id(),
                session_id=session_id,
                parent_id=parent,
                role=role,
                content=content,
                created_at=self._database.clock(),
                **details,
            )
            insert_message(execute, message)
            touch = "UPDATE sessions SET head = ?, updated_at = ? WHERE id = ?"
            execute(touch, (message.id, message.created_at, session_id))
            return get_message(execute, message.id)

    def edit(self, message_id: str, content: str) -> StoredMessage:
        """The same turn in other words: a sibling of the message, as the head of its own branch."""
        old = self.message(message_id)
        return self.append(old.session_id, old.role, content, parent_id=old.parent_id or ROOT)

    def update_answer(
        self, message_id: str, *, signals: Sequence[Signal] = (), **details: Unpack[AnswerDetails]
    ) -> StoredMessage:
        """Change a stored message in place, as an answer grows or ends; its session counts as used now.

        `signals`: what of it goes into the review queue, in the same transaction.
        """
        columns = message_columns(dict(details))
        if columns:
            assignments = ", ".join(f"{column} = ?" for column in columns)
            touch = "UPDATE sessions SET updated_at = ? WHERE id = (SELECT session_id FROM messages WHERE id = ?)"
            key, now = storable(message_id), self._database.clock()
            with self._database.write() as execute:
                change = f"UPDATE messages SET {assignments} WHERE id = ? RETURNING id"
                found = execute(change, (*columns.values(), key))
                execute(touch, (now, key))
                for signal in signals if found else ():  # of a session that was deleted meanwhile nothing stays
                    signalled(execute, Subject("", Origin("message", message_id)), signal, now)
        return self.message(message_id)

    def message(self, message_id: str) -> StoredMessage:
        """One message."""
        return get_message(self._database.read, message_id)

    def path(self, session_id: str, leaf: str | None = None) -> builtins.list[StoredMessage]:
        """One branch from its first message to `leaf`, or to the session's head."""
        session = self.get(session_id)
        if leaf is not None:
            get_message(self._database.read, leaf, session_id)
        last = leaf or session.head
        return branch_to(self._database.read, last) if last else []

    def tree(self, session_id: str) -> builtins.list[StoredMessage]:
        """Every message of every branch, oldest first; a parent always comes before its children."""
        self.get(session_id)
        sql = f"{MESSAGE} WHERE m.session_id = ? ORDER BY m.number"
        return [message_of(row) for row in self._database.read(sql, (session_id,))]

    def siblings(self, message_id: str) -> builtins.list[StoredMessage]:
        """The message and its alternatives (same parent), oldest first."""
        message = self.message(message_id)
        sql = f"{MESSAGE} WHERE m.session_id = ? AND m.parent_id IS ? ORDER BY m.number"
        return [message_of(row) for row in self._database.read(sql, (message.session_id, message.parent_id))]

    def forks(self, session_id: str) -> dict[str, tuple[str, ...]]:
        """Every message that has siblings, by id: the ids of all of them, its own included, oldest first."""
        self.get(session_id)
        sql = "SELECT parent_id, id FROM messages WHERE session_id = ? ORDER BY number"
        children: dict[str | None, builtins.list[str]] = {}
        for parent_id, message_id in self._database.read(sql, (session_id,)):
            children.setdefault(parent_id, []).append(message_id)
        places = (tuple(ids) for ids in children.values() if len(ids) > 1)
        return {message_id: ids for ids in places for message_id in ids}

    def set_head(self, session_id: str, message_id: str) -> Session:
        """Show the branch through a message: the head becomes the newest end beneath it."""
        self.get(session_id)
        get_message(self._database.read, message_id, session_id)
        newest_end = """WITH RECURSIVE branch (id) AS (
                SELECT ?
                UNION ALL
                SELECT (SELECT id FROM messages WHERE parent_id = branch.id ORDER BY number DESC LIMIT 1)
                FROM branch WHERE branch.id IS NOT NULL
            )
            SELECT id FROM branch WHERE id IS NOT NULL"""
        with self._database.write() as execute:
            head = execute(newest_end, (message_id,))[-1][0]
            execute("UPDATE sessions SET head = ? WHERE id = ?", (head, session_id))
        return self.get(session_id)

    def search(self, query: str, limit: int = 50) -> builtins.list[SearchHit]:
        """Messages and titles that contain every word of the query, best first.

        Any text is a query; the last word may be the beginning of one. Without a hit by words, the text is
        searched as it stands, which finds parts of words, punctuation and scripts without spaces.
        """
        return search.search(self._database, storable(query), limit)

    def export(self, session_id: str, format: Literal["markdown", "json"] = "markdown") -> str:
        """The branch that is shown, as Markdown for reading; or everything, as JSON that `import_session` takes."""
        session = self.get(session_id)
        if format == "json":
            return transfer.to_json_text(session, self.tree(session_id))
        return transfer.to_markdown(session, self.path(session_id))

    def import_session(self, text: str) -> Session:
        """Add a session that was exported as JSON; it gets new ids when one of its ids exists already.

        Raises: InvalidInput when the text is no such export.
        """
        session, messages = transfer.from_json_text(text)
        with self._database.write() as execute:
            new_session_id = transfer.insert(execute, session, messages)
        return self.get(new_session_id)
