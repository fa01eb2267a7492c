"""Rows of CSV and TSV files."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from edgellm.data.lines import Lines, rejected
from edgellm.data.reading import Reading
from edgellm.data.rows import Reason, Record, Source, dropped
from edgellm.data.schemas import find_schema
from edgellm.errors import DataRejected

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_table(handle: BinaryIO, reading: Reading, separators: Sequence[str]) -> Iterator[Record]:
    """One record for each row below the header, as RFC 4180 writes them; quoted fields may span lines.

    `separators` are tried in turn on the header, and exactly one must give columns that are understood.
    A row with another number of columns is dropped. Raises: DataRejected naming file and line.
    """
    lines = Lines(handle, reading.file)
    texts = _Counted(iter(lines))
    header, separator = _header(next(texts), reading, separators)
    rows = csv.reader(texts, delimiter=separator, strict=True)
    while True:
        line = texts.number + 1
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            raise _broken(reading.file, line, texts.number, error) from error
        if row:
            yield _record(header, row, Source(reading.file, line), reading)
    reading.notes.extend(lines.notes)


class _Counted:
    """Lines for the csv module, which takes texts alone; remembers the number of the last one."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self.number = 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> str:
        self.number, text = next(self._lines)
        return text


def _header(line: str, reading: Reading, separators: Sequence[str]) -> tuple[list[str], str]:
    """Column names and separator. Raises: DataRejected."""
    source = Source(reading.file, 1)
    understood, problem = [], None
    for separator in [separator for separator in separators if separator in line] or separators[:1]:
        try:
            names = [name.strip() for name in next(csv.reader([line], delimiter=separator, strict=True))]
            understood.append((names, separator, find_schema(_distinct(names, source), source, reading.columns)))
        except csv.Error as error:
            problem = problem or _broken(reading.file, 1, 1, error)
        except DataRejected as error:
            problem = problem or error
    if len(understood) > 1:
        found = " and ".join(SEPARATORS[separator] for _, separator, _ in understood)
        raise rejected(reading.file, 1, f"could be separated by {found}", "Use one of them in the header.")
    if not understood:
        assert problem is not None  # every separator failed
        raise problem
    names, separator, schema = understood[0]
    reading.settle(schema)
    reading.notes.append(f"columns separated by {SEPARATORS[separator]}")
    return names, separator


def _distinct(names: list[str], source: Source) -> list[str]:
    double = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if double is not None:
        raise rejected(source.file, source.line, f"names the column {double!r} twice", "Rename one of them.")
    return names


def _record(header: list[str], row: list[str], source: Source, reading: Reading) -> Record:
    if len(row) != len(header):
        return dropped(source, Reason.MALFORMED, f"{len(row)} columns where the header has {len(header)}")
    return reading.record(dict(zip(header, row, strict=True)), source)


def _broken(file: str, first: int, last: int, error: csv.Error) -> DataRejected:
    if "unexpected end of data" in str(error):
        found = "opens a quoted field that is never closed"
    elif "field larger than field limit" in str(error):
        found = (
            f"begins a row whose field goes on to line {last} and is longer than {csv.field_size_limit():,} characters"
        )
    else:
        found = f"begins a row that is no valid CSV: {error}"
    return rejected(file, first, found, 'A quotation mark within a quoted field is doubled: "".')
