"""Passages of plain text and Markdown files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edgellm.data.detect import opened
from edgellm.data.lines import Lines
from edgellm.data.reading import Reading
from edgellm.data.rows import Example, Record, Source
from edgellm.errors import DataRejected

PASSAGE_CHARS = 4000
"""A passage ends at the first blank line after this many characters; about 1,000 tokens of English."""
LONGEST_CHARS = 4 * PASSAGE_CHARS
"""A passage without a blank line ends at the line that makes it this long."""
TEXT_ENDINGS = (".txt", ".md", ".markdown")


def read_text(handle: BinaryIO, reading: Reading, file: str | None = None) -> Iterator[Record]:
    """The text cut into passages of about `PASSAGE_CHARS` characters, at blank lines where it has some.

    Raises: DataRejected.
    """
    reading.schema_name = "plain text, cut at blank lines"
    name = file or reading.file
    lines = Lines(handle, name)
    passage: list[str] = []
    start = length = 0
    for number, text in lines:
        if not text.strip() and (length >= PASSAGE_CHARS or not passage):
            if passage:
                yield Example(Source(name, start), text="".join(passage))
            passage, length = [], 0
            continue
        start = number if not passage else start
        passage.append(text)
        length += len(text)
        if length >= LONGEST_CHARS:
            yield Example(Source(name, start), text="".join(passage))
            passage, length = [], 0
    if passage:
        yield Example(Source(name, start), text="".join(passage))
    reading.notes.extend(note for note in lines.notes if note not in reading.notes)


def text_files(folder: Path, file: str) -> list[Path]:
    """Text and Markdown files below a folder, by name; hidden ones and links to folders are left out.

    Raises: DataRejected when there is none.
    """
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        wanted = [name for name in names if name.lower().endswith(TEXT_ENDINGS) and not name.startswith(".")]
        found += [Path(parent, name) for name in wanted]
    if not found:
        raise DataRejected(
            f"{file}: the folder holds no .txt or .md file.",
            hint="A folder is read as plain text; give files of examples by their own names.",
            file=file,
        )
    return sorted(found)


def read_folder(folder: Path, reading: Reading) -> Iterator[Record]:
    """The passages of every text file below a folder. Raises: DataRejected."""
    paths = text_files(folder, reading.file)
    reading.notes.append(f"{len(paths)} files")
    for path in paths:
        name = os.path.join(reading.file, path.relative_to(folder))
        with opened(path, name) as handle:
            yield from read_text(handle, reading, name)
