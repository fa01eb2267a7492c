"""Rows of sessions and messages, and the values they stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgellm.errors import InvalidInput, NotFound, SessionNotFound
from edgellm.store.db import Execute, Row
from edgellm.store.records import AnswerDetails, Session, StoredMessage, from_json, storable, to_json
from edgellm.types import Sampling, Timings, Usage

Read = Callable[..., list[Row]]
"""`Database.read`, or the `Execute` of a transaction."""

SESSION = "SELECT id, title, model, system, created_at, updated_at, head FROM sessions"
COLUMNS = """m.id, m.session_id, m.parent_id, m.role, m.content, m.reasoning, m.model, m.sampling, m.usage,
    m.timings, m.finish_reason, m.evidence, m.created_at, coalesce(f.rating, 0), f.correction"""
MESSAGE = f"SELECT {COLUMNS} FROM messages m LEFT JOIN feedback f ON f.message_id = m.id"


def get_session(read: Read, session_id: str) -> Session:
    """One session. Raises: SessionNotFound."""
    rows = read(f"{SESSION} WHERE id = ?", (storable(session_id),))
    if not rows:
        raise SessionNotFound(
            f"There is no session {session_id!r}.", hint="edgellm sessions list shows them.", id=session_id
        )
    return session_of(rows[0])


def get_message(read: Read, message_id: str, session_id: str | None = None) -> StoredMessage:
    """One message, of this session if one is given. Raises: NotFound, InvalidInput."""
    rows = read(f"{MESSAGE} WHERE m.id = ?", (storable(message_id),))
    if not rows:
        raise NotFound(f"There is no message {message_id!r}.", id=message_id)
    message = message_of(rows[0])
    if session_id is not None and message.session_id != session_id:
        text = f"Message {message_id!r} belongs to session {message.session_id!r}, not to {session_id!r}."
        raise InvalidInput(text, field="message_id")
    return message


def branch_to(read: Read, leaf: str) -> list[StoredMessage]:
    """The messages from the first one to `leaf`."""
    sql = f"""WITH RECURSIVE branch (id, parent_id, depth) AS (
            SELECT id, parent_id, 0 FROM messages WHERE id = ?
            UNION ALL
            SELECT m.id, m.parent_id, depth + 1 FROM messages m JOIN branch ON m.id = branch.parent_id
        )
        SELECT {COLUMNS} FROM branch JOIN messages m ON m.id = branch.id
        LEFT JOIN feedback f ON f.message_id = m.id ORDER BY depth DESC"""
    return [message_of(row) for row in read(sql, (leaf,))]


def insert_session(execute: Execute, session: Session) -> None:
    """Add a row; the head is set once its message exists."""
    execute(
        "INSERT INTO sessions (id, title, model, system, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
        (session.id, session.title, session.model, session.system, session.created_at, session.updated_at),
    )


def insert_message(execute: Execute, message: StoredMessage) -> None:
    """Add a row; its parent must be there."""
    columns = {
        "id": message.id,
        "session_id": message.session_id,
        "parent_id": message.parent_id,
        "role": message.role,
        "created_at": message.created_at,
        **message_columns({name: getattr(message, name) for name in AnswerDetails.__annotations__}),
    }
    places = ", ".join("?" * len(columns))
    execute(f"INSERT INTO messages ({', '.join(columns)}) VALUES ({places})", tuple(columns.values()))


_TEXTS = ("content", "reasoning", "model", "finish_reason")
_VALUES = ("sampling", "usage", "timings", "evidence")


def message_columns(details: dict[str, Any]) -> dict[str, str | None]:
    """Column values of what is known about a message."""
    unknown = details.keys() - {*_TEXTS, *_VALUES}
    if unknown:
        raise InvalidInput(f"A message has no {', '.join(sorted(unknown))}.", field=min(unknown))
    texts = {
        name: None if details[name] is None else storable(str(details[name])) for name in _TEXTS if name in details
    }
    return texts | {name: to_json(details[name], name) for name in _VALUES if name in details}


def session_of(row: Row) -> Session:
    """The value of a `SESSION` row."""
    return Session(
        id=row[0], title=row[1], model=row[2], system=row[3], created_at=row[4], updated_at=row[5], head=row[6]
    )


def message_of(row: Row) -> StoredMessage:
    """The value of a `MESSAGE` row."""
    return StoredMessage(
        id=row[0],
        session_id=row[1],
        parent_id=row[2],
        role=row[3],
        content=row[4],
        reasoning=row[5],
        model=row[6],
        sampling=from_json(row[7], Sampling),
        usage=from_json(row[8], Usage),
        timings=from_json(row[9], Timings),
        finish_reason=row[10],
        evidence=from_json(row[11], dict),
        created_at=row[12],
        rating=row[13],
        correction=row[14],
    )
