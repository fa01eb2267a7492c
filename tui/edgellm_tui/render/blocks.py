"""Markdown blocks laid out at a width: paragraphs, headings, lists, quotes, code, tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.safetext import clean, clean_line
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
    return Content(clean(node.content).rstrip()).wrap(width)


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
    rows = [[_inline(cell) for cell in row.children] for row in _rows(node)]
    return table_lines(rows[0], rows[1:], width) if rows else []


def _rows(node: SyntaxTreeNode) -> Iterator[SyntaxTreeNode]:
    for part in node.children:
        yield from part.children


def _code(node: SyntaxTreeNode, width: int, layout: Layout) -> list[Content]:
    source = clean(node.content).rstrip("\n")
    language = clean_line(node.info.split()[0]) if node.info.split() else ""
    layout.code_blocks.append(source)
    number = layout.first_number + len(layout.code_blocks) - 1
    inner = max(width - 4, 1)
    lines = [_code_label(language, number, width)]
    for line in highlighted(source, language).split("\n", allow_blank=True):
        for part in line.expand_tabs(4).fold(inner) or [Content("")]:
            lines.append(_boxed(part, width))
    lines.append(_boxed(Content(""), width))
    return lines


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
