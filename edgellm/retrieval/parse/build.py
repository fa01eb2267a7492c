"""Puts a document together from clean pieces.

Text is cleaned here, once: what is stored is what is shown, so that positions hold everywhere. Control characters but
newline and tab are removed, with terminals' colour sequences; the rest is `safetext.clean`, which changes nothing the
second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from edgellm import safetext
from edgellm.retrieval.parse.refusal import Refused
from edgellm.retrieval.values import Block, BlockKind, Document

TEXT_LIMIT_CHARS = 16_000_000
"""About 6,000 printed pages; what is longer is no document but data."""
LONGEST_HEADING = 300
"""A longer heading is a text."""
DEEPEST = 9
"""Headings below the ninth level, the last that Word has, count as of the ninth."""
NOTICES_LIMIT = 50
CELL_SEPARATOR = " | "
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028]|\u2029")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]+")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_BLANKS = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r" ?\n ?(?:\n ?)+")


def clean(text: str) -> str:
    """`text` as it is stored and shown: line ends are newlines, nothing in it steers a terminal."""
    plain = _CONTROLS.sub("", _LINE_ENDS.sub("\n", _COLOURS.sub("", text)))
    return safetext.clean(plain.translate(_LIGATURES))


def clean_line(text: str) -> str:
    """`text` clean and on one line, without blanks at its ends or in a row."""
    return " ".join(clean(text).split())


class Builder:
    """Collects the blocks of one document, in reading order; methods raise Refused when there is too much text."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.title: str | None = None
        self.written: str | None = None
        self.pages: int | None = None
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self._notices: list[str] = []
        self._is_in_rows = False

    def heading(self, text: str, level: int, page: int | None = None) -> None:
        """A heading, `level` from 1; a long one is a text."""
        line = clean_line(text)
        is_heading = len(line) <= LONGEST_HEADING
        self._add("heading" if is_heading else "text", line, page, min(max(1, level), DEEPEST) if is_heading else 0)

    def text(self, text: str, page: int | None = None) -> None:
        """Running text; blanks in a row become one, newlines stay."""
        self._add("text", _EMPTY_LINES.sub("\n\n", _BLANKS.sub(" ", clean(text))).strip(), page)

    def code(self, text: str, page: int | None = None) -> None:
        """Lines that stay as they are."""
        self._add("code", clean(text).strip("\n").rstrip(), page)

    def table(self, rows: Iterable[Sequence[str]], page: int | None = None) -> None:
        """One block: a line a row, the cells separated by ` | `; the first row is the header."""
        lines = [CELL_SEPARATOR.join(map(clean_line, row)) for row in rows if any(cell.strip() for cell in row)]
        self._add("table", "\n".join(line.strip() for line in lines), page)

    def row(self, names: Sequence[str], cells: Sequence[str], page: int | None = None) -> None:
        """A row that stands for itself, a block of one line: `name: value | name: value`; empty cells are left out."""
        parts = []
        for at, cell in enumerate(map(clean_line, cells)):
            name = names[at] if at < len(names) else ""
            if cell:
                parts.append(f"{name}: {cell}" if name else cell)
        self._add("table", CELL_SEPARATOR.join(parts), page, is_row=True)

    def notice(self, text: str) -> None:
        """What could not be read; the first 50 are kept."""
        if len(self._notices) < NOTICES_LIMIT:
            self._notices.append(clean_line(text))

    def document(self) -> Document:
        """The document; one without a text says so."""
        if not self._blocks and not self._notices:
            self.notice("it holds no text")
        return Document(
            kind=self.kind,
            text="".join(self._parts),
            blocks=tuple(self._blocks),
            title=clean_line(self.title or "")[:LONGEST_HEADING] or None,
            pages=self.pages,
            written=self.written,
            notices=tuple(self._notices),
        )

    def _add(self, kind: BlockKind, text: str, page: int | None, level: int = 0, *, is_row: bool = False) -> None:
        if not text.strip():
            return
        between = "" if not self._parts else "\n" if is_row and self._is_in_rows else "\n\n"
        start = self._length + len(between)
        self._length = start + len(text)
        if self._length > TEXT_LIMIT_CHARS:
            raise Refused(f"it holds more than {TEXT_LIMIT_CHARS:,} characters of text")
        self._parts += (between, text)
        self._blocks.append(Block(kind=kind, start=start, end=self._length, page=page, level=level))
        self._is_in_rows = is_row
