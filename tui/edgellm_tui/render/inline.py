"""Markdown inside a line: emphasis, code, links; every text cleaned after entities are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content, Span

from edgellm.safetext import clean_line
from edgellm_tui.render.doubts import BEGIN, END_OF_SENTENCE, MARKS, SIGN, unmarked

if TYPE_CHECKING:
    from markdown_it.token import Token

_OPENERS = {"em_open": "em", "strong_open": "strong", "s_open": "strike", "link_open": "link"}
_BREAKS = {"softbreak": " ", "hardbreak": "\n"}


class _Writer:
    """Collects text and the spans over it."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.spans: list[Span] = []
        self.length = 0
        self.open: list[tuple[int, str, str]] = []
        self.doubted_from: int | None = None

    def text(self, text: str, role: str | None = None) -> None:
        self.parts.append(text)
        if role:
            self.spans.append(Span(self.length, self.length + len(text), role))
        self.length += len(text)

    def marked_text(self, text: str) -> None:
        """Text with marks around sentences that nothing supports."""
        for part in MARKS.split(text):
            if not MARKS.match(part):
                self.text(part)
            elif part == BEGIN:
                self.doubted_from = self.length
            else:
                self.end_doubt(is_said=part == END_OF_SENTENCE)

    def end_doubt(self, *, is_said: bool) -> None:
        self.spans.append(Span(self.doubted_from or 0, self.length, "unsupported"))
        self.doubted_from = None
        if is_said:
            self.text(f" {SIGN}", "notice")

    def push(self, role: str, address: str = "") -> None:
        self.open.append((self.length, role, address))

    def pop(self) -> None:
        start, role, address = self.open.pop()
        self.spans.append(Span(start, self.length, role))
        shown = "".join(self.parts)[start:]
        if address and address != shown:
            self.text(f" ({address})", "dim")


def inline_content(tokens: Sequence[Token]) -> Content:
    """The content of one inline token's children. Links show their address as text; nothing is clickable."""
    writer = _Writer()
    for token in tokens:
        _write(writer, token)
    while writer.open:
        writer.pop()
    if writer.doubted_from is not None:
        writer.end_doubt(is_said=False)
    return Content("".join(writer.parts), writer.spans)


def _write(writer: _Writer, token: Token) -> None:
    kind = token.type
    if kind in _BREAKS:
        writer.text(_BREAKS[kind])
    elif kind == "code_inline":
        writer.text(unmarked(clean_line(token.content)), "code")
    elif kind in _OPENERS:
        writer.push(_OPENERS[kind], unmarked(clean_line(str(token.attrs.get("href", "")))))
    elif kind.endswith("_close"):
        writer.pop()
    elif kind == "image":
        writer.text(f"[image: {unmarked(clean_line(token.content))}]", "dim")
    else:
        writer.marked_text(clean_line(token.content))
