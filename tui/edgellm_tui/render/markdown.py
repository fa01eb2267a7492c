"""Markdown that grows while it is shown: finished blocks are laid out once, only the last one again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm_tui.render.blocks import Layout, block_lines, offset_of_line
from edgellm_tui.render.doubts import with_marks

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    from edgellm_tui.render.spans import TextSpan

_BETWEEN = Content("")
"""The line between two blocks; always the same object, like the lines of finished blocks."""


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # deferred: not needed for the first paint

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@dataclass(slots=True)
class _Block:
    """One top-level block and its lines at the last width asked for."""

    node: SyntaxTreeNode
    first_number: int
    width: int = 0
    lines: list[Content] = field(default_factory=list)
    code: list[str] = field(default_factory=list)

    def at(self, width: int) -> list[Content]:
        if width != self.width:
            layout = Layout(first_number=self.first_number)
            self.lines = block_lines(self.node, width, layout)
            self.code = layout.code_blocks
            self.width = width
        return self.lines


class MarkdownText:
    """A Markdown document that can be appended to; already cleaned text goes in."""

    def __init__(self, source: str = "", doubts: Sequence[TextSpan] = ()) -> None:
        """`doubts` are the sentences of `source` that nothing supports, in order."""
        self.source = source
        self._doubts = doubts
        self._settled: list[_Block] = []
        self._tail: list[_Block] = []
        self._tail_start = 0
        self._parsed_to = 0

    def append(self, text: str) -> None:
        """Add text at the end; parsing waits until lines are asked for."""
        self.source += text

    def lines(self, width: int) -> list[Content]:
        """All lines, blocks separated by an empty one, none wider than `width` cells."""
        self._parse(width)
        lines: list[Content] = []
        for block in (*self._settled, *self._tail):
            if lines:
                lines.append(_BETWEEN)
            lines.extend(block.at(width))
        return lines

    def code_blocks(self, width: int = 80) -> list[str]:
        """Source of every code block, in order."""
        self.lines(width)
        return [code for block in (*self._settled, *self._tail) for code in block.code]

    def _parse(self, width: int) -> None:
        """Parse from the start of the last block; everything before it can no longer change."""
        if self._parsed_to == len(self.source):
            return
        from markdown_it.tree import SyntaxTreeNode

        start = self._tail_start
        tail = with_marks(self.source, self._doubts)[start:] if self._doubts else with_marks(self.source[start:])
        nodes = SyntaxTreeNode(_parser().parse(tail)).children
        number = 1 + sum(len(block.code) for block in self._settled)
        self._tail = []
        for node in nodes:
            block = _Block(node, number)
            block.at(width)
            number += len(block.code)
            self._tail.append(block)
        self._parsed_to = len(self.source)
        self._settle(tail)

    def _settle(self, tail: str) -> None:
        """Keep what can no longer change: all blocks before the last one whose first two lines are complete.

        A block that begins on the line still being written may turn out to belong to the one before it; so may a table
        whose second line, which makes it one, is still being written.
        """
        complete = tail.count("\n")
        for index in range(len(self._tail) - 1, 0, -1):
            lines = self._tail[index].node.map
            if lines is not None and lines[0] + 1 < complete:
                self._settled.extend(self._tail[:index])
                self._tail = self._tail[index:]
                self._tail_start += offset_of_line(tail, lines[0])
                return
