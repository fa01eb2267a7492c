"""HTML pages, read with selectolax (Lexbor)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from edgellm.retrieval.parse.build import Builder

_LEFT_OUT_TAGS = """
script style noscript template head svg math iframe object embed canvas audio video nav aside footer button select
input textarea dialog
"""
"""Neither text nor the page's own: navigation and fields come with every page of a site.
A form itself is none of them: of pages made by some programs it holds everything."""
_BLOCK_TAGS = """
address article blockquote body caption center dd details div dl dt fieldset figcaption figure form header hr html li
main ol p section summary table tbody td tfoot th thead tr ul
"""
_LEFT_OUT, _BLOCKS = frozenset(_LEFT_OUT_TAGS.split()), frozenset(_BLOCK_TAGS.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_PERMALINK = re.compile(r"(?<!\s)\s*+[¶#§🔗\uf0c1]\s*+$")
_MAIN = "main, [role=main]"


def read(text: str, builder: Builder) -> None:
    """The main text of a page: headings, paragraphs, lists, tables, code; hidden parts are left out."""
    parser = LexborHTMLParser(text)
    title = parser.css_first("title")
    if title is not None and not builder.title:
        builder.title = title.text()
    root = parser.css_first(_MAIN) or parser.body or parser.root
    if root is not None:
        _Walk(builder).read(root)


class _Walk:
    """Goes through the tree without recursion: a page may be nested as deeply as it likes."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._inline: list[str] = []

    def read(self, root: LexborNode) -> None:
        node: LexborNode | None = root
        while node is not None:
            child = self._enter(node)
            node = child or self._leave(node, root)
        self._flush()

    def _enter(self, node: LexborNode) -> LexborNode | None:
        """Take a node; returns the child to go on with, None where its children are done."""
        tag = node.tag or ""
        if tag == "-text":
            self._inline.append(node.text_content or "")
        elif tag == "br":
            self._inline.append("\x00")
        elif tag in _LEFT_OUT or _is_hidden(node):
            pass
        elif tag in _HEADINGS:
            self._flush()
            self._builder.heading(_PERMALINK.sub("", _text(node)), _HEADINGS[tag])
        elif tag == "pre":
            self._flush()
            self._builder.code(_text(node))
        elif tag == "table" and _is_data(node):
            self._flush()
            self._builder.table(_rows(node))
        else:
            if tag in _BLOCKS:
                self._flush()
            if tag == "li":
                self._inline.append("- ")
            return node.child
        return None

    def _leave(self, node: LexborNode, root: LexborNode) -> LexborNode | None:
        """The next node in reading order that is not below `node`."""
        current: LexborNode | None = node
        while current is not None and current.mem_id != root.mem_id:
            if current.tag in _BLOCKS:
                self._flush()
            if current.next is not None:
                return current.next
            current = current.parent
        return None

    def _flush(self) -> None:
        text = " ".join("".join(self._inline).split()).replace("\x00", "\n")
        if text.strip(" -\n"):
            self._builder.text(text)
            self._inline = []
        else:  # an item's dash waits for its text, which may be in a paragraph of its own
            self._inline = ["- "] if text.startswith("-") else []


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    is_marked = "hidden" in attributes or attributes.get("aria-hidden") == "true"
    return is_marked or bool(_HIDDEN.search(attributes.get("style") or ""))


def _nodes(root: LexborNode) -> Iterator[LexborNode]:
    """The tree below a node that is shown, in reading order."""
    node = root.child
    while node is not None:
        yield node
        is_shown = node.tag not in ("script", "style", "template") and not _is_hidden(node)
        following = node.child if is_shown else None
        while following is None and node is not None and node.mem_id != root.mem_id:
            following, node = node.next, node.parent
        node = following


def _text(root: LexborNode) -> str:
    """All of its text, line breaks included."""
    found = []
    for node in _nodes(root):
        if node.tag == "-text":
            found.append(node.text_content or "")
        elif node.tag == "br":
            found.append("\n")
    return "".join(found)


def _is_data(table: LexborNode) -> bool:
    """Whether a table holds data: one for layout holds blocks, or has one row or column."""
    if table.attributes.get("role") == "presentation" or len(table.css("table")) > 1:
        return False
    return len(table.css("tr")) > 1 and len(table.css("td, th")) > len(table.css("tr")) and not table.css("h1, h2, pre")


def _rows(table: LexborNode) -> Iterator[list[str]]:
    for row in table.css("tr"):
        if not _is_hidden(row):
            yield [_text(cell) for cell in row.iter() if cell.tag in ("td", "th") and not _is_hidden(cell)]
