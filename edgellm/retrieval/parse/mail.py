"""E-mail: single messages (.eml) and mailboxes (.mbox)."""

from __future__ import annotations

import email
import email.policy
import email.utils
import re
from datetime import datetime
from email.message import EmailMessage, Message

from edgellm.retrieval.parse import html
from edgellm.retrieval.parse.build import Builder
from edgellm.retrieval.parse.refusal import Refused

MOST_MESSAGES = 20_000
_SHOWN = ("From", "To", "Cc", "Date")
_BEGIN = re.compile(rb"^From [^\n]*\n", re.MULTILINE)
_BROKEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What the library raises for headers and encodings that are damaged."""


def read(data: bytes, builder: Builder) -> None:
    """Each message: its subject a heading, then sender, recipients and day, then the text, else the HTML.

    Raises: Refused.
    """
    messages = [part for part in _BEGIN.split(data) if part.strip()] if data.startswith(b"From ") else [data]
    if len(messages) > MOST_MESSAGES:
        raise Refused(f"the mailbox holds {len(messages):,} messages; at most {MOST_MESSAGES:,} are read")
    for raw in messages:
        _read_message(raw, builder, is_only=len(messages) == 1)


def _read_message(raw: bytes, builder: Builder, *, is_only: bool) -> None:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    subject = _field(message, "Subject") or "(no subject)"
    builder.heading(subject, 1)
    fields = ((name, _field(message, name)) for name in _SHOWN)
    builder.text("\n".join(f"{name}: {value}" for name, value in fields if value))
    if is_only:
        builder.title, builder.written = subject, _day(message)
    _read_body(message, builder)


def _field(message: Message, name: str) -> str:
    """A header's words; what cannot be decoded is shown as it is written."""
    try:
        return str(message[name] or "")
    except _BROKEN:
        raw = [value for key, value in message.raw_items() if key.lower() == name.lower()]
        return str(raw[0]) if raw else ""


def _day(message: Message) -> str | None:
    try:
        found: datetime = email.utils.parsedate_to_datetime(_field(message, "Date"))
    except _BROKEN:
        return None
    return found.date().isoformat()


def _read_body(message: EmailMessage, builder: Builder) -> None:
    try:
        body = message.get_body(("plain", "html"))
        for part in message.iter_attachments():
            builder.notice(f"the attachment {part.get_filename() or part.get_content_type()!r} was not read")
        text = _content(body) if body is not None else ""
    except _BROKEN as error:
        builder.notice(f"the body of {_field(message, 'Subject')[:80]!r} is damaged: {error}")
        return
    if body is not None and body.get_content_subtype() == "html":
        title = builder.title
        html.read(text, builder)
        builder.title = title
    else:
        builder.text(text)


def _content(part: Message) -> str:
    """The text of a part; an encoding that does not exist is read as Windows-1252."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    try:
        return data.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return data.decode("cp1252", "replace")
