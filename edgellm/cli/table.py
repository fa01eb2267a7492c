"""Aligned columns that fit the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgellm.cli.style import Part, bold, display_width, plain, retext, shorten

GAP = "  "
NARROWEST = 6


@dataclass(frozen=True, slots=True)
class Column:
    """One column; the flexible one gives way when the terminal is narrow."""

    title: str
    right: bool = False
    flexible: bool = False


def lay_out(header: Sequence[Column], rows: Sequence[Sequence[Part]], width: int | None) -> list[list[Part]]:
    """The table as lines of parts, header first; `width` None never shortens anything."""
    widths = [
        max(display_width(column.title), *(display_width(plain(row[i])) for row in rows))
        if rows
        else display_width(column.title)
        for i, column in enumerate(header)
    ]
    if width is not None:
        _give_way(header, widths, width)
    titles: list[Part] = [bold(column.title) for column in header]
    return [_line(header, widths, row) for row in (titles, *rows)]


def _give_way(header: Sequence[Column], widths: list[int], width: int) -> None:
    """Cut flexible columns, the widest first, until the line fits or nothing can shrink."""
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while excess > 0:
        able = [i for i, column in enumerate(header) if column.flexible and widths[i] > NARROWEST]
        if not able:
            return
        widths[max(able, key=lambda i: widths[i])] -= 1
        excess -= 1


def _line(header: Sequence[Column], widths: Sequence[int], row: Sequence[Part]) -> list[Part]:
    line: list[Part] = []
    for i, (column, wide, cell) in enumerate(zip(header, widths, row, strict=True)):
        text = shorten(plain(cell), wide) if display_width(plain(cell)) > wide else plain(cell)
        space = " " * (wide - display_width(text))
        last = i == len(header) - 1
        line += [space, retext(cell, text)] if column.right else [retext(cell, text), "" if last else space]
        line.append("" if last else GAP)
    return line
