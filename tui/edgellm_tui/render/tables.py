"""Markdown tables, fitted to a width."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from textual.content import Content

_GAP = 3
_NARROWEST = 4


def column_widths(natural: Sequence[int], available: int) -> list[int]:
    """Cells for each column: the natural width where it fits, otherwise the widest columns give way.

    `natural` and the result are in cells; `available` includes the gaps between columns.
    """
    room = max(available - _GAP * (len(natural) - 1), len(natural))
    widths = [min(width, max(room, _NARROWEST)) for width in natural]
    while sum(widths) > room:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    return widths


def table_lines(
    head: Sequence[Content], rows: Sequence[Sequence[Content]], width: int, sides: Sequence[str] = ()
) -> list[Content]:
    """The table's lines; cells wrap inside their column. `sides`: where a column's cells stand, `left` by default."""
    columns = max([len(head), *(len(row) for row in rows)], default=0)
    if not columns:
        return []
    grid = [list(row) + [Content("")] * (columns - len(row)) for row in (head, *rows)]
    natural = [max(row[i].cell_length for row in grid) or 1 for i in range(columns)]
    widths = column_widths(natural, width)
    sides = [*sides, *["left"] * columns][:columns]
    lines = [line.stylize("table-head") for line in _row_lines(grid[0], widths, sides)]
    lines.append(Content.styled("─┼─".join("─" * w for w in widths), "rule"))
    for row in grid[1:]:
        lines.extend(_row_lines(row, widths, sides))
    return [line.truncate(width, ellipsis=True) for line in lines]


def _row_lines(cells: Sequence[Content], widths: Sequence[int], sides: Sequence[str]) -> list[Content]:
    wrapped = [cell.wrap(w) or [Content("")] for cell, w in zip(cells, widths, strict=True)]
    separator = Content.styled(" │ ", "rule")
    return [
        separator.join([_fit(*each) for each in zip(parts, widths, sides, strict=True)])
        for parts in zip_longest(*wrapped, fillvalue=Content(""))
    ]


def _fit(part: Content, width: int, side: str) -> Content:
    room = max(0, width - part.cell_length)
    left = room if side == "right" else room // 2 if side == "center" else 0
    return part.pad_left(left).pad_right(room - left)
