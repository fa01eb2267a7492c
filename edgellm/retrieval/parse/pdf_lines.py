"""Lines of a PDF's pages, put together from the fragments that were drawn."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pypdf import PageObject
from pypdf.generic import DictionaryObject
from pypdf.generic._font import Font

CELL_GAP = 1.5
"""White between two fragments on one line, in heights of a letter, above which they are cells of a row."""
PARAGRAPH_GAP = 1.6
"""Distance of two lines in heights of a letter above which a paragraph begins."""
CHAR_WIDTH = 0.6
"""Width of a character in heights of a letter, rather too large: the widths of fonts are not known here."""
RUNNING_SHARE = 0.2
"""A line at the edge of more of the pages than this, and of three at least, is a running title."""
WIDEST_SPACE = 350
"""Thousandths of a letter's height. In the fonts of many files a blank has no number of its own; pypdf then takes the
width of another letter for that of a blank, and words run together."""
FEWEST_PAGES = 4
_EDGE_LINES = 2
_font_of = Font.from_font_resource


def _font_with_narrow_space(resource: DictionaryObject) -> Font:
    font = _font_of(resource)
    font.space_width = min(font.space_width, WIDEST_SPACE)
    return font


Font.from_font_resource = _font_with_narrow_space  # type: ignore[method-assign, assignment]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page."""

    cells: tuple[str, ...]
    size: float
    """Height of its largest letters, in points."""
    begins_paragraph: bool

    @property
    def text(self) -> str:
        """The line as one string."""
        return " ".join(self.cells)

    @property
    def is_row(self) -> bool:
        """Whether it is a row of a table."""
        return len(self.cells) > 1


@dataclass(slots=True)
class PageLines:
    """The lines of one page, in the order in which they were drawn."""

    number: int
    lines: list[Line] = field(default_factory=list)

    @classmethod
    def of(cls, page: PageObject, number: int) -> PageLines:
        """The lines of `page`. Raises: what pypdf raises."""
        gathered = _Gatherer()
        page.extract_text(visitor_text=gathered.add)
        return cls(number, gathered.finished())

    @property
    def characters(self) -> int:
        """Characters on the page."""
        return sum(len(line.text) for line in self.lines)


class _Gatherer:
    """Takes pypdf's fragments, each with the position where it begins."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._cells: list[str] = []
        self._size = 0.0
        self._right = 0.0
        self._height: float | None = None
        self._last_height: float | None = None
        self._is_after_gap = True

    def add(self, text: str, cm: Sequence[float], tm: Sequence[float], _font: Any, font_size: float) -> None:
        """pypdf's visitor: a fragment, the page's and the text's matrix, font and size."""
        if not text:
            return
        size = abs(font_size) * _scale(tm) * _scale(cm)
        x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
        y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
        for at, piece in enumerate(text.split("\n")):
            if at:
                self._end_line()
            if piece.strip():
                self._put(piece, x, y, size)
            elif piece and self._cells:
                self._cells[-1] += " "

    def finished(self) -> list[Line]:
        """All lines."""
        self._end_line()
        return self.lines

    def _put(self, piece: str, x: float, y: float, size: float) -> None:
        is_far = x - self._right > CELL_GAP * size and self._height is not None and abs(y - self._height) < 0.5 * size
        if self._cells and not is_far:
            self._cells[-1] += piece
        else:
            self._cells.append(piece)
        self._right = x + len(piece.rstrip()) * CHAR_WIDTH * size
        self._size = max(self._size, size)
        self._height = y

    def _end_line(self) -> None:
        cells = tuple(stripped for cell in self._cells if (stripped := " ".join(cell.split())))
        if cells:
            last, height = self._last_height, self._height
            is_near = last is not None and height is not None and 0 < last - height <= PARAGRAPH_GAP * self._size
            self.lines.append(Line(cells, round(self._size * 2) / 2, not is_near))
            self._last_height = height
        self._cells, self._size, self._height = [], 0.0, None


def _scale(matrix: Sequence[float]) -> float:
    return max(abs(matrix[3]), abs(matrix[1])) or 1.0


def drop_running_titles(pages: Sequence[PageLines]) -> list[PageLines]:
    """The pages without the lines that stand at the top or bottom of most of them; page numbers count as equal."""
    if len(pages) < FEWEST_PAGES:
        return list(pages)
    seen: Counter[str] = Counter()
    for page in pages:
        seen.update({_pattern(line) for line in _edges(page.lines)})
    running = {pattern for pattern, count in seen.items() if count > max(2, RUNNING_SHARE * len(pages))} | {"#"}
    return [_without(page, running) for page in pages]


def _edges(lines: Sequence[Line]) -> list[Line]:
    return [*lines[:_EDGE_LINES], *lines[_EDGE_LINES:][-_EDGE_LINES:]]


def _pattern(line: Line) -> str:
    return re.sub(r"\d+|^[ivxlc]+$", "#", line.text)


def _without(page: PageLines, running: set[str]) -> PageLines:
    at_edge = {id(line) for line in _edges(page.lines)}
    kept = [line for line in page.lines if id(line) not in at_edge or _pattern(line) not in running]
    return PageLines(page.number, kept)
