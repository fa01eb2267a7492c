"""Which format a file has, by its content and its name, and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from edgellm.data.lines import LINE_LIMIT_BYTES
from edgellm.errors import DataRejected

HEAD_BYTES = 4096


class Format(StrEnum):
    """How rows are written in a file."""

    JSONL = "jsonl"
    JSON = "json"
    """One list of objects."""
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    TEXT = "text"
    FOLDER = "folder"
    """A folder of text and Markdown files."""
    CHATS = "chats"
    """Conversations that EdgeLLM keeps itself."""


@dataclass(frozen=True, slots=True)
class Detected:
    """A format and what it was recognised by."""

    format: Format
    why: str


ENDINGS = {
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSON,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".parquet": Format.PARQUET,
    ".txt": Format.TEXT,
    ".md": Format.TEXT,
    ".markdown": Format.TEXT,
}
KNOWN = "Known: .jsonl, .json, .csv, .tsv, .parquet, .txt, .md, and folders of .txt and .md files."
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive (.zip, .xlsx, .docx)", "Unpack it, or save the table as CSV."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it: gunzip FILE."),
    (b"%PDF", "a PDF", "Save its text as .txt or .md."),
    (b"\xff\xfe", "text in UTF-16", "Save it as UTF-8."),
    (b"\xfe\xff", "text in UTF-16", "Save it as UTF-8."),
    (b"GGUF", "a model file", "Give a file of examples."),
    (b"SQLite format 3", "a database", "Export a table as CSV."),
)


@contextmanager
def opened(path: Path, file: str) -> Iterator[BinaryIO]:
    """A regular file, open for reading; `file` is its name in errors.

    Pipes and devices are refused rather than waited for. Raises: DataRejected.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise DataRejected(f"{file}: the file cannot be read: {error.strerror}.", file=file) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # before fdopen, which keeps a folder's descriptor open
        os.close(descriptor)
        raise DataRejected(f"{file}: this is no regular file.", hint="Write its content into one.", file=file)
    with os.fdopen(descriptor, "rb") as handle:
        try:
            yield handle
        except OSError as error:
            raise DataRejected(f"{file}: the file cannot be read: {error.strerror}.", file=file) from error


def detect(path: Path, file: str) -> Detected:
    """The format of a file or folder.

    The content decides what it can, the name's ending the rest; where the two disagree it is an error, not a guess.
    Raises: DataRejected.
    """
    if path.is_dir():
        return Detected(Format.FOLDER, "it is a folder")
    with opened(path, file) as handle:
        head = handle.read(HEAD_BYTES)
        if head.startswith(b"PAR1"):
            return Detected(Format.PARQUET, "it begins with PAR1")
        _refuse_foreign(head, file)
        while len(head) < LINE_LIMIT_BYTES and not head.strip(b"\xef\xbb\xbf \t\r\n"):
            more = handle.read(HEAD_BYTES)
            if not more:
                raise DataRejected(f"{file}: the file is empty.", file=file)
            head += more
    return _by_name_and_content(path, head, file)


def _by_name_and_content(path: Path, head: bytes, file: str) -> Detected:
    ending = path.suffix.lower()
    named = ENDINGS.get(ending)
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    content = {b"{": Format.JSONL, b"[": Format.JSON}.get(first)
    if named is None and content is None:
        raise DataRejected(f"{file}: the format is not known: the name ends with {ending!r}.", hint=KNOWN, file=file)
    if named is None and content is not None:
        return Detected(content, f"it begins with {first.decode()!r}")
    if named is Format.JSON and content is Format.JSONL:
        return Detected(Format.JSONL, "it begins with '{': one object a line")
    if named is Format.PARQUET:
        raise DataRejected(f"{file}: the name says Parquet, the content does not begin with PAR1.", file=file)
    is_json_named = named in (Format.JSON, Format.JSONL)
    if (is_json_named and content is not named) or (not is_json_named and _is_json_line(head)):
        raise DataRejected(
            f"{file}: the name ends with {ending!r}, but the content begins with {first.decode(errors='replace')!r}.",
            hint="Rename the file after what it holds (.jsonl for one JSON object a line, .json for a list).",
            file=file,
        )
    assert named is not None  # one of the two is known, see above
    return Detected(
        named, f"its name ends with {ending}" + (f" and it begins with {first.decode()!r}" if content else "")
    )


def _is_json_line(head: bytes) -> bool:
    """Whether a file that is named otherwise holds JSON objects."""
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return begin.startswith((b'{"', b'[{"', b'[\n{"'))


def _refuse_foreign(head: bytes, file: str) -> None:
    for beginning, name, hint in _FOREIGN:
        if head.startswith(beginning):
            raise DataRejected(f"{file}: this is {name}, not a file of examples.", hint=hint, file=file)
