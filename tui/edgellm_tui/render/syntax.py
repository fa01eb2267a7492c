"""Colouring of source code with Pygments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound
from textual.content import Content, Span


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def colour_code(source: str, language: str, styles: Mapping[Any, str]) -> Content:
    """`source` with one span a token; unchanged for a language Pygments does not know."""
    lexer = _lexer(language.lower())
    if lexer is None:
        return Content(source)
    spans: list[Span] = []
    parts: list[str] = []
    start = 0
    for kind, text in lexer.get_tokens(source):
        end = start + len(text)
        if style := _style_of(kind, styles):
            spans.append(Span(start, end, style))
        parts.append(text)
        start = end
    return Content("".join(parts), spans)


def _style_of(kind: Any, styles: Mapping[Any, str]) -> str:
    while kind is not None:
        if style := styles.get(kind):
            return style
        kind = kind.parent
    return ""
