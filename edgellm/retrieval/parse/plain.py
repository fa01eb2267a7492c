"""Plain text, logs and source code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgellm.retrieval.parse.build import Builder

_LOG_LINES = 50
_UNDERLINE = re.compile(r"([=\-~^\"'*+#`])\1{2,}\s*")
_CLOSING = re.compile(r"[)\]}]|end\b|else\b|elif\b|except\b|finally\b|catch\b")
LONGEST_TITLE = 120


def read_text(text: str, builder: Builder) -> None:
    """Paragraphs at blank lines; a line that is underlined is a heading, as in reStructuredText."""
    levels: dict[str, int] = {}
    for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\f", "\n\n")):
        lines = paragraph.strip("\n").split("\n")
        if len(lines) > 2 and _UNDERLINE.fullmatch(lines[0]) and lines[0].strip() == lines[2].strip():
            lines = lines[1:]  # a line above the title too
        mark = _UNDERLINE.fullmatch(lines[1]) if len(lines) > 1 else None
        title = lines[0].strip()
        if mark and title and len(title) <= LONGEST_TITLE and len(lines[1].strip()) >= 0.6 * len(title):
            builder.heading(title, levels.setdefault(mark[1], len(levels) + 1))
            lines = lines[2:]
        builder.text("\n".join(lines))


def read_log(text: str, builder: Builder) -> None:
    """Lines as they are, in blocks of 50."""
    lines = text.split("\n")
    for at in range(0, len(lines), _LOG_LINES):
        builder.code("\n".join(lines[at : at + _LOG_LINES]))


def read_code(text: str, builder: Builder) -> None:
    """Functions, classes and what stands between them."""
    for block in top_level(text.replace("\r\n", "\n").split("\n")):
        builder.code("\n".join(block))


def top_level(lines: list[str]) -> Iterator[list[str]]:
    """Lines cut where one begins at the margin after a blank line: so are functions written in nearly every language.

    Comments and decorators directly above a function stay with it; what closes a bracket stays with what opened it.
    """
    block: list[str] = []
    is_after_blank = False
    for line in lines:
        is_at_margin = bool(line) and not line[0].isspace() and not _CLOSING.match(line)
        if is_after_blank and is_at_margin and block:
            yield block
            block = []
        block.append(line)
        is_after_blank = not line.strip()
    yield block
