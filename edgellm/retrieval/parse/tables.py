"""Rows of sheets and of CSV and TSV files, each with the names of its columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from edgellm.retrieval.parse.build import Builder, clean_line
from edgellm.retrieval.parse.refusal import Refused

SEPARATORS = (",", ";", "\t", "|")
FIELD_LIMIT_CHARS = 1_000_000
LONGEST_NAME = 80
_HEADER_SEARCH = 20
"""In so many rows a header is looked for; the rows above it are a title."""
_NUMBER = re.compile(r"[-+]?[\d.,:/ %€$£-]+")


class Table:
    """Writes rows as they come: titles above the header, then each row with the header's names."""

    def __init__(self, builder: Builder, page: int | None = None) -> None:
        self._builder = builder
        self._page = page
        self._names: list[str] | None = None
        self._before: list[Sequence[str]] = []

    def add(self, row: Sequence[str]) -> None:
        """The next row."""
        if self._names is not None:
            self._builder.row(self._names, row, self._page)
            return
        self._before.append(row)
        if _is_header(row) or len(self._before) >= _HEADER_SEARCH:
            self.end()

    def end(self) -> None:
        """Write what is held back; call it once there is no further row."""
        before, self._before = self._before, []
        if self._names is None and before and _is_header(before[-1]):
            self._names = [clean_line(name) for name in before.pop()]
            for row in before:
                self._builder.text(" ".join(filter(None, map(clean_line, row))), self._page)
            if not before and self._names:
                self._builder.row([], self._names, self._page)
            return
        self._names = self._names or []
        for row in before:
            self._builder.row(self._names, row, self._page)


def _is_header(row: Sequence[str]) -> bool:
    """Whether every cell but empty ones at the end is a short, distinct name, and there are two or more."""
    names = [cell.strip() for cell in row]
    while names and not names[-1]:
        names.pop()
    is_named = all(name and len(name) <= LONGEST_NAME and not _NUMBER.fullmatch(name) for name in names)
    return len(names) > 1 and is_named and len(set(names)) == len(names)


def read(text: str, builder: Builder) -> None:
    """A CSV or TSV file, as RFC 4180 writes it but with any of the usual separators. Raises: Refused."""
    csv.field_size_limit(FIELD_LIMIT_CHARS)
    table = Table(builder)
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator(text)):
            if any(cell.strip() for cell in row):
                table.add(row)
    except csv.Error as error:
        raise Refused(f"it is no valid CSV: {error}") from error
    table.end()


def separator(text: str) -> str:
    """The separator that cuts the first lines into most columns, counted by the line that has fewest."""
    lines = [line for line in text[:20_000].split("\n")[:20] if line.strip()]
    lines = lines[:-1] if len(lines) > 1 else lines
    return max(SEPARATORS, key=lambda mark: min((line.count(mark) for line in lines), default=0))
