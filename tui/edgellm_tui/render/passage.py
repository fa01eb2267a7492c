"""Passages that were found, and the page of one with the passage marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content, Span

from edgellm.safetext import clean_line
from edgellm_tui.evidence import place
from edgellm_tui.render.spans import TextSpan, clean_with_spans

if TYPE_CHECKING:
    from edgellm.retrieval.values import Hit, Place

WORD = "bold underline $text-accent"
"""A word of the question."""
PASSAGE = "on $primary 30%"
"""What was found or cited; a bar stands left of its lines, which also reads without colours."""
BAR = "▌ "
SCORE_CELLS = 8
SNIPPET_LINES = 2
BEFORE = 40
"""Characters of a snippet before the first word that was asked for."""
TAB_CELLS = 4


def hit_content(hit: Hit, question: str, width: int) -> Content:
    """Score and place, then what is around the first words of the question."""
    head = Content.assemble((f"{hit.score:<{SCORE_CELLS}.3f}", "$foreground 55%"), (_place(hit), "bold"))
    lines = _snippet(hit.text, question).wrap(max(width - SCORE_CELLS, 20))[:SNIPPET_LINES]
    indented = [Content(" " * SCORE_CELLS) + line.stylize_before("$foreground 80%") for line in lines]
    return Content("\n").join([head.truncate(max(width, 20), ellipsis=True), *indented])


def _place(found: Hit | Place) -> str:
    return place(found.file, found.page, found.headings)


def _snippet(passage: str, question: str) -> Content:
    text = " ".join(clean_line(passage).split())
    spans = _words(text, question)
    first = max(spans[0][0] - BEFORE, 0) if spans else 0
    begin = text.rfind(" ", 0, first) + 1 if first else 0
    shown = Content(text, [Span(start, end, WORD) for start, end in spans])
    return Content("…") + shown[begin:] if begin else shown


def _words(text: str, question: str) -> list[TextSpan]:
    """Where words of the question are, in other forms too."""
    from edgellm.data.draft_checks import shared  # deferred: not needed before something is found

    return shared(text, question) if question else []


def page_lines(page: Place, marks: Sequence[TextSpan], question: str, width: int) -> tuple[list[Content], int]:
    """The page's text with the marked passages, and the number of the first line that holds one.

    `marks` are characters of `page.text`; words of the question are marked within them.
    """
    text, spans = clean_with_spans(page.text, marks)
    styled = [Span(begin, end, PASSAGE) for begin, end in spans if begin < end]
    for begin, end in spans:
        styled += [Span(begin + b, begin + e, WORD) for b, e in _words(text[begin:end], question)]
    lines: list[Content] = []
    first: int | None = None
    for line in Content(text, styled).split("\n", allow_blank=True):
        for part in line.expand_tabs(TAB_CELLS).wrap(max(width - len(BAR), 8)) or [Content("")]:
            is_marked = any(span.style == PASSAGE for span in part.spans)
            if is_marked and first is None:
                first = len(lines)
            lines.append((Content.styled(BAR, "$primary") if is_marked else Content("  ")) + part)
    return lines, first or 0


def page_title(page: Place) -> Content:
    """Name, page and headings."""
    return Content.styled(f" {_place(page)}", "bold $primary")


def page_path(page: Place) -> Content:
    """The whole path of the file."""
    return Content.styled(clean_line(page.file), "$foreground 55%")
