"""Examples as they were read, and training rows with their place of origin."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from edgellm.decoding import convert, from_json
from edgellm.safetext import clean_line
from edgellm.types import Message

ID_DIGITS = 16
DETAIL_CHARS = 160


@dataclass(frozen=True, slots=True)
class Source:
    """Where a row comes from."""

    file: str
    """The path as it was given, or the path below the folder that was given."""
    line: int
    """First line of the row, counted from 1; in a Parquet file the number of the row."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Reason(StrEnum):
    """Why a row is not in a dataset. Every dropped row has exactly one reason."""

    MALFORMED = "malformed"
    """The line is no valid JSON, or has the wrong number of columns, or lacks a field."""
    WRONG_TYPES = "wrong_types"
    """A field holds something else than text."""
    ROLES = "roles"
    """The turns do not alternate between user and assistant, or end without an answer."""
    EMPTY = "empty"
    """A question or an answer is empty."""
    CONTROL_CHARACTERS = "control_characters"
    """A text holds NUL or another control character."""
    SHORT_ANSWER = "short_answer"
    """Every answer of the row is a single word."""
    PERSONAL_DATA = "personal_data"
    """The row holds personal data of a kind whose rows are dropped."""
    LANGUAGE = "language"
    """The row is in none of the languages that were asked for."""
    TOO_LONG = "too_long"
    """The row has more tokens than the context."""
    EXACT_DUPLICATE = "exact_duplicate"
    """An earlier row has the same content."""
    NEAR_DUPLICATE = "near_duplicate"
    """An earlier row has nearly the same content."""
    NO_DIFFERENCE = "no_difference"
    """Of a preference row: the chosen answer is the rejected one."""
    CONTRADICTION = "contradiction"
    """Of a preference row: another one judges the same answers the other way round."""


@dataclass(frozen=True, slots=True)
class Example:
    """One example as a reader found it: a conversation, or a text when there are no messages."""

    source: Source
    messages: tuple[Message, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that was read and is not used."""

    source: Source
    reason: Reason
    detail: str
    """One short line, made harmless."""


Record = Example | Dropped
"""What a reader yields, one for each row of the file."""


@dataclass(frozen=True, slots=True)
class ChatRow:
    """A conversation to learn from."""

    id: str
    """First 16 hexadecimal digits of the SHA-256 over roles and contents."""
    messages: tuple[Message, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class TextRow:
    """A stretch of text to go on learning from."""

    id: str
    text: str
    source: Source


Row = ChatRow | TextRow


def dropped(source: Source, reason: Reason, detail: str) -> Dropped:
    """A drop whose detail is safe to show and short."""
    line = clean_line(detail[: 4 * DETAIL_CHARS])
    return Dropped(source, reason, line if len(line) <= DETAIL_CHARS else line[: DETAIL_CHARS - 1] + "…")


def row_from(example: Example) -> Row:
    """The row of an example whose texts are normalised already."""
    if not example.messages:
        return TextRow(content_id(example.text), example.text, example.source)
    turns = [(message.role, message.content) for message in example.messages]
    return ChatRow(content_id(turns), example.messages, example.source)


def content_id(content: object) -> str:
    """First digits of the SHA-256 over the content as JSON."""
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:ID_DIGITS]


def encode_row(row: Row) -> bytes:
    """One line of a split file, newline included."""
    source = {"file": row.source.file, "line": row.source.line}
    if isinstance(row, TextRow):
        return msgspec.json.encode({"id": row.id, "text": row.text, "source": source}) + b"\n"
    messages = [{"role": message.role, "content": message.content} for message in row.messages]
    return msgspec.json.encode({"id": row.id, "messages": messages, "source": source}) + b"\n"


def decode_row(line: bytes) -> Row:
    """The row on one line of a split file. Raises: msgspec.ValidationError, msgspec.DecodeError."""
    found: dict[str, Any] = from_json(line, type=dict[str, Any])
    return convert(found, TextRow) if "text" in found else convert(found, ChatRow)


def encode_dropped(drop: Dropped) -> bytes:
    """One line of `dropped.jsonl`, newline included."""
    source = {"file": drop.source.file, "line": drop.source.line}
    return msgspec.json.encode({"source": source, "reason": drop.reason.value, "detail": drop.detail}) + b"\n"
