"""Where rows come from: files, folders, and the project's own conversations."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgellm.data.detect import Detected, Format, detect, opened
from edgellm.data.json_reader import read_json_list, read_jsonl
from edgellm.data.parquet_reader import read_parquet
from edgellm.data.reading import Reading
from edgellm.data.rows import Example, Record, Source
from edgellm.data.schemas import Part
from edgellm.data.table_reader import read_table
from edgellm.data.text_reader import read_folder, read_text, text_files
from edgellm.errors import DataRejected
from edgellm.paths import as_text
from edgellm.types import Message

HASH_BYTES = 1024**2


@dataclass(kw_only=True)
class FileReport:
    """What is known about one source; complete once its records were read."""

    path: str
    """As it was given."""
    format: Format
    why: str
    """What the format was recognised by."""
    bytes: int = 0
    sha256: str = ""
    schema: str = ""
    rows: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation that EdgeLLM keeps itself."""

    label: str
    """Where it is kept, as the `file` of its row."""
    messages: tuple[Message, ...]
    line: int = 0
    """Where in it, from 1; 0 takes the conversation's number."""


class FileSource:
    """A file or folder of examples."""

    def __init__(self, path: str | Path, columns: Mapping[Part, str] | None = None) -> None:
        self._path = Path(path)
        self._columns = columns
        self.report = FileReport(path=as_text(path), format=Format.TEXT, why="")

    def records(self) -> Iterator[Record]:
        """Every row, read once; fills the report. Raises: DataRejected, MissingExtra."""
        detected = detect(self._path, self.report.path)
        self.report.format, self.report.why = detected.format, detected.why
        found = _fingerprint(self._path, self.report.path, detected)
        self.report.bytes, self.report.sha256 = found
        reading = Reading(self.report.path, self._columns)
        try:
            for record in _read(self._path, detected, reading):
                self.report.rows += 1
                yield record
        finally:
            self.report.schema, self.report.notes = reading.schema_name, reading.notes
        if _fingerprint(self._path, self.report.path, detected) != found:
            message = f"{self.report.path}: the content changed while it was read."
            raise DataRejected(message, hint="Read it again when nobody writes to it.", file=self.report.path)


class ChatSource:
    """Conversations handed in by whoever keeps them."""

    def __init__(
        self, name: str, conversations: Iterable[Conversation], why: str = "EdgeLLM's own conversations"
    ) -> None:
        self._conversations = conversations
        self.report = FileReport(path=name, format=Format.CHATS, why=why, schema="messages")

    def records(self) -> Iterator[Record]:
        """One example a conversation, in the order given."""
        digest = hashlib.sha256()
        for conversation in self._conversations:
            self.report.rows += 1
            for message in conversation.messages:
                content = f"{message.role}\n{message.content}\n".encode("utf-8", "replace")
                digest.update(content)
                self.report.bytes += len(content)
            line = conversation.line or self.report.rows
            yield Example(Source(conversation.label, line), conversation.messages)
        self.report.sha256 = digest.hexdigest()


AnySource = FileSource | ChatSource


def _read(path: Path, detected: Detected, reading: Reading) -> Iterator[Record]:
    if detected.format is Format.FOLDER:
        yield from read_folder(path, reading)
        return
    with opened(path, reading.file) as handle:
        if detected.format is Format.JSONL:
            yield from read_jsonl(handle, reading)
        elif detected.format is Format.JSON:
            yield from read_json_list(handle, reading)
        elif detected.format is Format.CSV:
            yield from read_table(handle, reading, (",", ";", "\t"))
        elif detected.format is Format.TSV:
            yield from read_table(handle, reading, ("\t",))
        elif detected.format is Format.PARQUET:
            yield from read_parquet(handle, reading)
        else:
            yield from read_text(handle, reading)


def _fingerprint(path: Path, file: str, detected: Detected) -> tuple[int, str]:
    """Size in bytes and SHA-256 of the content; of a folder, over its text files one after the other."""
    is_folder = detected.format is Format.FOLDER
    paths = text_files(path, file) if is_folder else [path]
    digest, size = hashlib.sha256(), 0
    for each in paths:
        with opened(each, os.path.join(file, each.relative_to(path)) if is_folder else file) as handle:
            while block := handle.read(HASH_BYTES):
                digest.update(block)
                size += len(block)
    return size, digest.hexdigest()
