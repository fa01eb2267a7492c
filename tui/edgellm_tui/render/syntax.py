"""Colouring of source code with Pygments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pygments.lexer import Lexer  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.token import Token  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]
from textual.content import Content, Span


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


LOOKS: Mapping[Any, str] = {
    Token.Comment: "italic $foreground 55%",
    Token.Keyword: "$text-accent",
    Token.Literal.String: "$text-success",
    Token.Literal.Number: "$text-warning",
    Token.Name.Function: "$text-primary",
    Token.Name.Class: "bold $text-primary",
    Token.Name.Decorator: "$text-accent",
    Token.Name.Builtin: "$text-primary",
    Token.Name.Tag: "$text-primary",
    Token.Name.Attribute: "$text-accent",
    Token.Operator.Word: "$text-accent",
    Token.Generic.Heading: "bold",
    Token.Generic.Inserted: "$text-success",
    Token.Generic.Deleted: "$text-error",
}
"""Token kind to a Textual style; a kind without one looks like its parent."""


def colour_code(source: str, language: str) -> Content:
    """`source` with one span a token; unchanged for a language Pygments does not know."""
    lexer = _lexer(language.lower())
    if lexer is None:
        return Content(source)
    spans: list[Span] = []
    parts: list[str] = []
    start = 0
    for kind, text in lexer.get_tokens(source):
        end = start + len(text)
        if style := _style_of(kind):
            spans.append(Span(start, end, style))
        parts.append(text)
        start = end
    return Content("".join(parts), spans)


def _style_of(kind: Any) -> str:
    while kind is not None:
        if style := LOOKS.get(kind):
            return style
        kind = kind.parent
    return ""
