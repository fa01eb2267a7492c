"""Positions in a text that stay right while it is cleaned."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from edgellm.safetext import StreamCleaner

TextSpan = tuple[int, int]
"""Begin and end in characters."""


def clean_with_spans(text: str, spans: Sequence[TextSpan]) -> tuple[str, list[TextSpan]]:
    """`text` made harmless, and where the spans are in what came out; a span beyond the text ends with it."""
    inside = [(min(max(begin, 0), len(text)), min(max(end, 0), len(text))) for begin, end in spans]
    edges = sorted({0, len(text), *(edge for span in inside for edge in span)})
    cleaner, parts, place, length = StreamCleaner(), list[str](), {0: 0}, 0
    for begin, end in pairwise(edges):
        parts.append(cleaner.feed(text[begin:end]))
        length += len(parts[-1])
        place[end] = length
    parts.append(cleaner.flush())
    return "".join(parts), [(place[begin], place[end]) for begin, end in inside]
