"""Markdown files, read with markdown-it-py."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from edgellm.retrieval.parse import html
from edgellm.retrieval.parse.build import Builder

DEEPEST = 100
"""Lists and quotes within each other that are read; the parser drops what lies deeper without a word."""
_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:(.*)$", re.MULTILINE)
_FRONT_DAY = re.compile(r"^(?:date|updated):[ \t]*[\"']?(\d{4}-\d\d-\d\d)", re.MULTILINE)


def read(text: str, builder: Builder) -> None:
    """Headings, paragraphs, lists, tables and code of CommonMark with tables; title and day of YAML before them."""
    text = text.replace("\r\n", "\n")
    front = _FRONT.match(text)
    if front:
        title, day = _FRONT_TITLE.search(front[1]), _FRONT_DAY.search(front[1])
        builder.title = title[1].strip().strip("\"'") if title else None
        builder.written = day[1] if day else None
        text = text[front.end() :]
    tokens = MarkdownIt("commonmark", {"maxNesting": DEEPEST}).enable("table").parse(text)
    if any(token.type in ("blockquote_open", "list_item_open") and token.level >= DEEPEST - 1 for token in tokens):
        builder.notice(f"lists and quotes below the {DEEPEST}th level were left out")
    _Writer(builder).write(tokens)


class _Writer:
    """Writes the tokens of a file; what is within a list becomes one text, its items with dashes."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._items: list[str] = []
        self._depth = 0
        self._mark = ""
        self._heading = 0
        self._rows: list[list[str]] | None = None

    def write(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            self._take(token)
        self._end_list()

    def _take(self, token: Token) -> None:
        if token.type in ("bullet_list_open", "ordered_list_open"):
            self._depth += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            self._depth -= 1
            if not self._depth:
                self._end_list()
        elif token.type == "list_item_open":
            self._mark = f"{token.info}{token.markup} " if token.info else "- "
        elif token.type == "heading_open":
            self._heading = int(token.tag[1:])
        elif token.type == "table_open":
            self._rows = []
        elif token.type == "tr_open" and self._rows is not None:
            self._rows.append([])
        elif token.type == "table_close":
            self._end_list()
            self._builder.table(self._rows or ())
            self._rows = None
        elif token.type == "inline":
            self._take_words(shown(token))
        elif token.type in ("fence", "code_block"):
            self._end_list()
            self._builder.code(token.content)
        elif token.type == "html_block":
            self._end_list()
            html.read(token.content, self._builder)

    def _take_words(self, words: str) -> None:
        if self._rows:
            self._rows[-1].append(words)
        elif self._heading:
            self._end_list()
            self._builder.heading(words, self._heading)
            self._heading = 0
        elif self._depth:
            self._items.append(self._mark + words)
            self._mark = ""
        else:
            self._builder.text(words)

    def _end_list(self) -> None:
        self._builder.text("\n".join(self._items))
        self._items = []


def shown(token: Token) -> str:
    """The words of a paragraph without their marks: links keep their text, pictures their description."""
    parts = []
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif child.type in ("text", "code_inline", "image"):
            parts.append(child.content)
    return "".join(parts)
