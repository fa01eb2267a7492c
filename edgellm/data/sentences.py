"""Where sentences begin and end in a text."""

from __future__ import annotations

import re

LONGEST_ABBREVIATION = 12
"""Longer than all of these, so that none is found in the end of another word."""
_END = re.compile(r"(?<=[.!?;])\s+(?=[^a-z\s])|(?<=[。！？।])\s*|\n[^\S\n]*\n\s*")
_FALSE_END = re.compile(r"(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|No|vs|etc|e\.g|i\.e|ca|approx)\.$")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Begin and end of each sentence in characters, without the blanks around it; a blank line ends one too."""
    spans: list[tuple[int, int]] = []
    begin = 0
    for end, following in [*(found.span() for found in _END.finditer(text)), (len(text), len(text))]:
        if _FALSE_END.search(text[max(begin, end - LONGEST_ABBREVIATION) : end]) and following < len(text):
            continue
        piece = text[begin:end]
        if piece.strip():
            spans.append((begin + len(piece) - len(piece.lstrip()), begin + len(piece.rstrip())))
        begin = following
    return spans


def sentences(text: str) -> list[str]:
    """A text cut after full stops, question marks and the like; abbreviations keep their dot."""
    return [text[begin:end] for begin, end in sentence_spans(text)]
