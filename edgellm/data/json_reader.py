"""Rows of JSON files: one object a line, or one list of objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from edgellm.data.lines import Lines, rejected
from edgellm.data.reading import Reading
from edgellm.data.rows import Reason, Record, Source, dropped
from edgellm.decoding import from_json
from edgellm.errors import DataRejected

LIST_LIMIT_BYTES = 256 * 1024**2
"""A JSON list is read as a whole; larger ones belong into JSONL."""


def read_jsonl(handle: BinaryIO, reading: Reading) -> Iterator[Record]:
    """One record for each line that is not blank.

    Raises: DataRejected for a file whose first row is no example, whose rows follow several schemas, or whose bytes
    are no text; a single bad line is a dropped row.
    """
    lines = Lines(handle, reading.file)
    for source, row, problem in read_objects(lines, reading.file):
        yield _record(row, problem, source, reading)
    reading.notes.extend(lines.notes)


def read_objects(lines: Lines, file: str) -> Iterator[tuple[Source, dict[str, Any] | None, str]]:
    """Of each line that is not blank the object, or None and what is wrong with it. Raises: DataRejected as `Lines`."""
    for number, line in lines:
        if line.strip():
            row, problem = _parsed(line.encode())
            if row is None and lines.is_cut:
                problem = f"the file ends within this row (cut off?): {problem}"
            yield Source(file, number), row, problem


def read_json_list(handle: BinaryIO, reading: Reading) -> Iterator[Record]:
    """One record for each element of the list, with the line it begins on. Raises: DataRejected."""
    content = handle.read(LIST_LIMIT_BYTES + 1)
    if len(content) > LIST_LIMIT_BYTES:
        raise DataRejected(
            f"{reading.file}: a JSON list of more than {LIST_LIMIT_BYTES // 1024**2} MiB is not read.",
            hint="Write one object a line (JSONL): jq -c '.[]' FILE",
            file=reading.file,
        )
    content = _text_of(content, reading)
    try:
        elements = from_json(content, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        last = content.rstrip().count(b"\n") + 1
        raise rejected(reading.file, last, f"is the last one of a list that is no valid JSON: {error}") from error
    at, line = 0, 1
    for element in elements:
        raw = bytes(element)
        begin = content.index(raw, at)
        line += content.count(b"\n", at, begin)
        row, problem = _parsed(raw)
        yield _record(row, problem, Source(reading.file, line), reading)
        at, line = begin + len(raw), line + raw.count(b"\n")


def _text_of(content: bytes, reading: Reading) -> bytes:
    """The content without its mark, and checked to be UTF-8 line by line. Raises: DataRejected."""
    if content.startswith(b"\xef\xbb\xbf"):
        reading.notes.append("byte-order mark at the beginning")
        content = content[3:]
    for number, line in enumerate(content.split(b"\n"), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            found = f"is not UTF-8: byte 0x{line[error.start]:02X} at position {error.start + 1}"
            raise rejected(reading.file, number, found, "Save the file as UTF-8.") from error
    return content


def _parsed(line: bytes) -> tuple[dict[str, Any] | None, str]:
    """The object on a line, or what is wrong with it."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return None, str(error)
    except RecursionError:
        return None, "it is nested too deeply"
    if not isinstance(found, dict):
        return None, "it is no JSON object"
    return found, ""


def _record(row: dict[str, Any] | None, problem: str, source: Source, reading: Reading) -> Record:
    if row is not None:
        return reading.record(row, source)
    if not reading.has_schema:
        raise rejected(source.file, source.line, f"is no example: {problem}", "The first row decides how all are read.")
    return dropped(source, Reason.MALFORMED, problem)
