"""A dataset's row, as lines to read."""

from __future__ import annotations

from textual.content import Content

from edgellm_tui.data_rows import FullRow, RowLine

_LOOKS = {"user": "bold $primary", "assistant": "bold $text-secondary", "dropped": "bold $text-warning"}
NUMBER_CELLS = 7


def list_line(line: RowLine) -> Content:
    """Number and first words."""
    return Content.assemble((f"{line.number:>{NUMBER_CELLS},}  ", "$foreground 50%"), line.title)


def row_content(row: FullRow) -> Content:
    """Where the row comes from, then each message under its role."""
    lines = [Content.styled(row.source, "$foreground 55%")]
    for part in row.parts:
        lines += [Content(""), Content.styled(part.role, _LOOKS.get(part.role, "bold")), Content(part.text)]
    return Content("\n").join(lines)
