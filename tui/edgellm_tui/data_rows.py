"""Rows of a dataset's files, a page at a time: no file is held in memory, however large it is."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgellm.decoding import json_decoder
from edgellm.errors import DataRejected
from edgellm.safetext import clean, clean_line

if TYPE_CHECKING:
    from edgellm.data.dataset import Dataset

PAGE_ROWS = 100
TITLE_CHARS = 160
LONGEST_CHARS = 20_000
"""Of one message; what is longer is cut on the screen."""


class _Source(msgspec.Struct):
    file: str = ""
    line: int = 0


class _Message(msgspec.Struct):
    role: str
    content: str


class _Line(msgspec.Struct):
    """One line of a split file or of `dropped.jsonl`: each has some of these."""

    source: _Source
    messages: list[_Message] = []
    text: str = ""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A message of a row, a text, or why a row was dropped; clean."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class FullRow:
    """Everything a row says; clean."""

    source: str
    """`file:line`."""
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class RowLine:
    """A row in a list: its number in the file, counted from 1, where it begins, and its first words; clean."""

    number: int
    offset: int
    title: str


@dataclass(frozen=True, slots=True)
class View:
    """One file of a dataset as the browser offers it."""

    name: str
    """A split, or `dropped`."""
    path: Path
    rows: int


def views(dataset: Dataset) -> list[View]:
    """The splits and the dropped rows."""
    from edgellm.data.dataset import DROPPED
    from edgellm.data.split import SPLITS

    manifest = dataset.manifest
    files = [(name, manifest.splits[name]) for name in SPLITS]
    dropped = manifest.counts.read - manifest.counts.kept
    return [
        *(View(name, dataset.folder / split.file, split.rows) for name, split in files),
        View("dropped", dataset.folder / DROPPED, dropped),
    ]


class RowPages:
    """The rows of a file that hold all of some words.

    Only where each page begins is remembered, and no more than one row is in memory. Pages may be asked for from
    several threads; `stop` ends a search that nobody waits for.
    """

    def __init__(self, path: Path, words: str = "") -> None:
        self._path = path
        self._words = words.casefold().split()
        self._starts = [(0, 1)]
        """Offset and number of the row that each page begins to look at."""
        self._lock = threading.Lock()
        self._is_stopped = False

    def stop(self) -> None:
        """Let every search end with what it has found."""
        self._is_stopped = True

    def page(self, index: int) -> list[RowLine]:
        """The lines of a page, at most `PAGE_ROWS`; none past the end. Raises: DataRejected."""
        with self._lock:
            while len(self._starts) <= index:
                known = len(self._starts)
                self._read(known - 1)
                if len(self._starts) == known:
                    return []
            return self._read(index)

    def row(self, line: RowLine) -> FullRow:
        """Everything in a row. Raises: DataRejected."""
        with closing(self._rows(line.offset, line.number)) as rows:
            found = next(rows, None)
        if found is None:
            raise self._rejected(line.number, "the file has become shorter.")
        row = found[2]
        return FullRow(f"{clean_line(row.source.file)}:{row.source.line}", tuple(_parts(row)))

    def _read(self, index: int) -> list[RowLine]:
        found: list[RowLine] = []
        for offset, number, row in self._rows(*self._starts[index]):
            if len(found) == PAGE_ROWS:
                if len(self._starts) == index + 1:
                    self._starts.append((offset, number))
                break
            if self._is_stopped:
                break
            if self._is_wanted(row):
                found.append(RowLine(number, offset, _title(row)))
        return found

    def _rows(self, offset: int, number: int) -> Generator[tuple[int, int, _Line]]:
        decode = json_decoder(_Line).decode
        try:
            with self._path.open("rb") as handle:
                handle.seek(offset)
                for line in handle:
                    yield offset, number, decode(line)
                    offset, number = offset + len(line), number + 1
        except OSError as error:
            raise self._rejected(number, f"the rows cannot be read: {error.strerror}.") from error
        except msgspec.DecodeError as error:
            raise self._rejected(number, f"the line is no row of a dataset: {error}") from error

    def _rejected(self, number: int, found: str) -> DataRejected:
        hint = "Build the dataset again."
        return DataRejected(f"{self._path}:{number}: {found}", hint=hint, file=str(self._path), line=number)

    def _is_wanted(self, row: _Line) -> bool:
        if not self._words:
            return True
        said = " ".join((row.text, *(message.content for message in row.messages)))
        text = f"{said} {row.reason} {row.detail} {row.source.file}:{row.source.line}".casefold()
        return all(word in text for word in self._words)


def _title(row: _Line) -> str:
    """What the user asks first; of a dropped row, its reason and where it was."""
    if row.reason:
        return clean_line(f"{reason_words(row.reason)}  {row.source.file}:{row.source.line}")[:TITLE_CHARS]
    asked = next((message.content for message in row.messages if message.role == "user"), row.text)
    return clean_line(asked.strip()[: 4 * TITLE_CHARS])[:TITLE_CHARS]


def _parts(row: _Line) -> Iterator[Part]:
    if row.reason:
        yield Part("dropped", clean(reason_words(row.reason)))
        yield Part("found", _shown(row.detail))
    for message in row.messages:
        yield Part(clean_line(message.role), _shown(message.content))
    if row.text:
        yield Part("text", _shown(row.text))


def reason_words(reason: str) -> str:
    """Why a row was dropped, in words; a reason of another version as it is written."""
    from edgellm.data.card import REASONS
    from edgellm.data.rows import Reason

    return REASONS[Reason(reason)] if reason in list(Reason) else reason


def _shown(text: str) -> str:
    left = len(text) - LONGEST_CHARS
    return clean(text) if left <= 0 else f"{clean(text[:LONGEST_CHARS])}\n… {left:,} more characters"
