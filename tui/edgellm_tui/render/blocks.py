"""Markdown blocks laid out at a width: paragraphs, headings, lists, quotes, code, tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.safetext import clean, clean_line
from edgellm_tui.render.doubts import unmarked
from edgellm_tui.render.inline import inline_content
from edgellm_tui.render.tables import table_lines

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

LONGEST_HIGHLIGHTED = 400
"""Lines of code that are coloured; longer blocks stay plain, so that a frame stays cheap."""


@dataclass(slots=True)
class Layout:
    """What laying out a document carries along."""

    code_blocks: list[str] = field(default_factory=list)
    """Source of each code block, in order."""
    first_number: int = 1
    """Number shown on the first code block."""


def block_lines(node: SyntaxTreeNode, width: int, layout: Layout) -> list[Content]:
    """Lines of one block, none wider than `width` cells."""
    width = max(width, 4)
    kind = node.type
    if kind in ("paragraph", "inline"):
        return _inline(node).wrap(width)
    if kind == "heading":
        role = "heading-1" if node.tag == "h1" else "heading"
        return [line.stylize_before(role) for line in _inline(node).wrap(width)]
    if kind in ("fence", "code_block"):
        return _code(node, width, layout)
    if kind in ("bullet_list", "ordered_list"):
        return _list(node, width, layout)
    if kind == "blockquote":
        bar = Content.styled("▎ ", "rule")
        return [bar + line.stylize_before("quote") for line in _children(node, width - 2, layout)]
    if kind == "hr":
        return [Content.styled("─" * width, "rule")]
    if kind == "table":
        return _table(node, width)
    return Content(unmarked(clean(node.content)).rstrip()).wrap(width)


def _children(node: SyntaxTreeNode, width: int, layout: Layout) -> list[Content]:
    lines: list[Content] = []
    for index, child in enumerate(node.children):
        tight = child.type == "paragraph" and child.hidden
        if index and not tight and child.type not in ("bullet_list", "ordered_list"):
            lines.append(Content(""))
        lines.extend(block_lines(child, width, layout))
    return lines


def _inline(node: SyntaxTreeNode) -> Content:
    source = node if node.type == "inline" else next(iter(node.children), None)
    if source is None or source.token is None or source.token.children is None:
        return Content("")
    return inline_content(source.token.children)


def _list(node: SyntaxTreeNode, width: int, layout: Layout) -> list[Content]:
    lines: list[Content] = []
    start = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    markers = [f"{start + i}. " if start is not None else "• " for i in range(len(node.children))]
    indent = max(map(len, markers), default=2)
    for index, (item, marker) in enumerate(zip(node.children, markers, strict=True)):
        body = _children(item, width - indent, layout) or [Content("")]
        loose = any(child.type == "paragraph" and not child.hidden for child in item.children)
        if index and loose:
            lines.append(Content(""))
        lines.append(Content.styled(marker.rjust(indent), "marker") + body[0])
        lines.extend(Content(" " * indent) + line for line in body[1:])
    return lines


def _table(node: SyntaxTreeNode, width: int) -> list[Content]:
    rows = [row.children for row in _rows(node)]
    if not rows:
        return []
    head, *body = ([_inline(cell) for cell in row] for row in rows)
    sides = [str(cell.attrs.get("style", "")).removeprefix("text-align:") for cell in rows[0]]
    return table_lines(head, body, width, sides)


def _rows(node: SyntaxTreeNode) -> Iterator[SyntaxTreeNode]:
    for part in node.children:
        yield from part.children


def _code(node: SyntaxTreeNode, width: int, layout: Layout) -> list[Content]:
    source = unmarked(clean(node.content))
    language = unmarked(clean_line(node.info.split()[0])) if node.info.split() else ""
    layout.code_blocks.append(source.rstrip("\n"))
    number = layout.first_number + len(layout.code_blocks) - 1
    settled = _settled(source)
    lines = [_code_label(language, number, width), *_code_lines(source[:settled], language, width)]
    if rest := source[settled:].rstrip("\n"):
        lines.extend(_boxed_lines(rest, language, width))
    return [*lines, _boxed(Content(""), width)]


def _settled(source: str) -> int:
    """How much of a block is coloured as a whole and remembered; the lines after it are coloured by themselves.

    Everything, once the block is closed. While its last line is being written the mark moves on in steps of at most an
    eighth of its lines, so that a long block is not coloured again with every line.
    """
    if source.endswith("\n"):
        return len(source)
    complete = source.count("\n")
    step = 1 << max(complete.bit_length() - 4, 0)
    return offset_of_line(source, complete - complete % step)


@lru_cache(maxsize=64)
def _code_lines(source: str, language: str, width: int) -> tuple[Content, ...]:
    return tuple(_boxed_lines(source.removesuffix("\n"), language, width)) if source else ()


def _boxed_lines(source: str, language: str, width: int) -> Iterator[Content]:
    for line in highlighted(source, language).split("\n", allow_blank=True):
        for part in line.expand_tabs(4).fold(max(width - 4, 1)) or [Content("")]:
            yield _boxed(part, width)


def offset_of_line(text: str, line: int) -> int:
    """Where a line begins, counted from 0."""
    offset = 0
    for _ in range(line):
        offset = text.index("\n", offset) + 1
    return offset


def _code_label(language: str, number: int, width: int) -> Content:
    shown = (language or "code")[: max(width - 8, 0)]
    right = f"{number} "
    return Content.styled(f"  {shown}".ljust(width - len(right)) + right, "code-label").truncate(width)


def _boxed(line: Content, width: int) -> Content:
    return (Content("  ") + line.pad_right(max(0, width - 2 - line.cell_length))).stylize_before("code-block")


def highlighted(source: str, language: str) -> Content:
    """Coloured code; plain for unknown languages and long texts."""
    if not language or source.count("\n") > LONGEST_HIGHLIGHTED:
        return Content(source)
    from edgellm_tui.render.syntax import colour_code  # deferred: pygments is only needed once code appears

    return colour_code(source, language)
