"""Text with a role, and how wide it is in a terminal."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

RESET = "\x1b[0m"
CODES = {"bold": "\x1b[1m", "dim": "\x1b[2m", "good": "\x1b[32m", "warn": "\x1b[33m", "bad": "\x1b[31m"}


class Styled(NamedTuple):
    """Text to be drawn in one of the roles of `CODES`."""

    text: str
    role: str


Part = str | Styled


def bold(text: str) -> Styled:
    """A heading or a name to find."""
    return Styled(text, "bold")


def dim(text: str) -> Styled:
    """Something beside the point: units, hints, reasoning."""
    return Styled(text, "dim")


def good(text: str) -> Styled:
    """It works."""
    return Styled(text, "good")


def warn(text: str) -> Styled:
    """It works, with a reservation."""
    return Styled(text, "warn")


def bad(text: str) -> Styled:
    """It does not work."""
    return Styled(text, "bad")


def plain(part: Part) -> str:
    """The text of a part without its role."""
    return part if isinstance(part, str) else part.text


def role_of(part: Part) -> str:
    """The role of a part; empty for plain text."""
    return "" if isinstance(part, str) else part.role


def retext(part: Part, text: str) -> Part:
    """The same role with another text."""
    return text if isinstance(part, str) else Styled(text, part.role)


def char_columns(char: str) -> int:
    """Terminal columns of one character: 0 for combining marks, 2 for wide East Asian ones."""
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def display_width(text: str) -> int:
    """Terminal columns that `text` takes."""
    return len(text) if text.isascii() else sum(map(char_columns, text))


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` columns; what is missing is shown by an ellipsis."""
    if display_width(text) <= width:
        return text
    kept, used = [], 1
    for char in text:
        used += char_columns(char)
        if used > width:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…" if width > 0 else ""


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns, broken between words where they allow it; never empty."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and display_width(longer) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]
