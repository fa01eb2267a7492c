"""Sessions leave and enter the store: Markdown to read, JSON that loses nothing."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from edgellm.decoding import from_json
from edgellm.errors import InvalidInput
from edgellm.safetext import clean, clean_line
from edgellm.store.db import Execute
from edgellm.store.feedback import Judgement, put, snapshot
from edgellm.store.ids import new_id
from edgellm.store.records import BROKEN, Session, StoredMessage
from edgellm.store.rows import insert_message, insert_session

FORMAT = "edgellm.session"
VERSION = 1
END_OF_TIME_S = 253_402_214_400
"""The last day of the year 9999: what a calendar can show in every time zone."""
_NAMES = {"system": "System", "user": "You", "assistant": "Model", "tool": "Tool"}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """An exported session as JSON."""

    format: str
    version: int
    session: Session
    messages: list[StoredMessage]


def to_markdown(session: Session, branch: Iterable[StoredMessage]) -> str:
    """One branch as a document; untrusted characters are made visible."""
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(session.created_at))
    parts = [f"# {clean_line(session.title) or 'Untitled'}", f"*{clean_line(session.model) or 'no model'}, {began}*"]
    if session.system:
        parts += ["## System", clean(session.system)]
    for message in branch:
        parts += [f"## {_NAMES[message.role]}", clean(message.content)]
        if message.finish_reason == BROKEN:
            parts.append("*(cut off)*")
        if message.correction is not None:
            parts += ["### Corrected", clean(message.correction)]
    return "\n\n".join(parts) + "\n"


def to_json_text(session: Session, messages: Sequence[StoredMessage]) -> str:
    """Everything about a session. Characters without a shape are escaped, so the text is safe in a terminal."""
    tree = msgspec.to_builtins(_File(FORMAT, VERSION, session, list(messages)), str_keys=True)
    text = json.dumps(tree, ensure_ascii=False, indent=2)
    return re.sub(r"[^\n -~]", lambda found: _escaped(found.group()), text) + "\n"


def _escaped(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def from_json_text(text: str) -> tuple[Session, list[StoredMessage]]:
    """What `to_json_text` wrote. Raises: InvalidInput."""
    try:
        file = from_json(text.encode(), type=_File)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise _invalid(str(error)) from error
    if (file.format, file.version) != (FORMAT, VERSION):
        raise _invalid(f"its format is {file.format!r}, version {file.version}")
    for moment_s in (file.session.created_at, file.session.updated_at, *(item.created_at for item in file.messages)):
        if not 0 <= moment_s < END_OF_TIME_S:
            raise _invalid(f"{moment_s} is no time")
    known: set[str] = set()
    if not file.session.id:
        raise _invalid("its session has no id")
    for message in file.messages:
        if not message.id:
            raise _invalid("a message has no id")
        if message.session_id != file.session.id:
            raise _invalid(f"message {message.id!r} belongs to session {message.session_id!r}")
        if message.id in known:
            raise _invalid(f"message {message.id!r} appears twice")
        if message.parent_id is not None and message.parent_id not in known:
            raise _invalid(f"message {message.id!r} comes before its parent {message.parent_id!r}")
        if message.role != "assistant" and (message.rating or message.correction is not None):
            raise _invalid(f"message {message.id!r} is judged, but from the {message.role}")
        known.add(message.id)
    if file.session.head is not None and file.session.head not in known:
        raise _invalid(f"its head {file.session.head!r} is no message of it")
    return file.session, file.messages


def _invalid(reason: str) -> InvalidInput:
    message = f"This is no exported EdgeLLM session: {reason}."
    return InvalidInput(message, hint="Export one with: edgellm sessions export ID --json", field="text")


def insert(execute: Execute, session: Session, messages: Sequence[StoredMessage]) -> str:
    """Add an imported session; returns its id, which is new, like all its ids, when one of them is taken."""
    session, messages = _with_free_ids(execute, session, messages)
    insert_session(execute, session)
    for message in messages:
        insert_message(execute, message)
    execute("UPDATE sessions SET head = ? WHERE id = ?", (session.head, session.id))
    _insert_feedback(execute, session, messages)
    return session.id


def _with_free_ids(
    execute: Execute, session: Session, messages: Sequence[StoredMessage]
) -> tuple[Session, list[StoredMessage]]:
    taken = execute("SELECT 1 FROM sessions WHERE id = ?", (session.id,))
    for message in messages:
        taken = taken or execute("SELECT 1 FROM messages WHERE id = ?", (message.id,))
    if not taken:
        return session, list(messages)
    fresh: dict[str | None, str | None] = {message.id: new_id() for message in messages}
    fresh[None] = None
    renamed = replace(session, id=new_id(), head=fresh[session.head])
    return renamed, [
        replace(
            message,
            id=fresh[message.id] or "",
            session_id=renamed.id,
            parent_id=fresh[message.parent_id],
        )
        for message in messages
    ]


def _insert_feedback(execute: Execute, session: Session, messages: Sequence[StoredMessage]) -> None:
    """Ratings and corrections of imported messages, with the prompts they were given for."""
    by_id = {message.id: message for message in messages}
    for message in messages:
        if message.rating or message.correction is not None:
            branch = [message]
            while branch[0].parent_id is not None:
                branch.insert(0, by_id[branch[0].parent_id])
            judgement = Judgement(message.rating, message.correction)
            put(execute, message.id, judgement, snapshot(session, branch), session.updated_at)
