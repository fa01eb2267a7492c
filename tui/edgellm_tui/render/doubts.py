"""Sentences of an answer that no passage supports, marked in its Markdown.

The marks are characters of their own in the source that is parsed: Markdown decides which text they come out beside.
They count as punctuation there, so that emphasis next to them begins and ends as it would without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edgellm_tui.render.spans import TextSpan

BEGIN, END, END_OF_SENTENCE = "\U00012470", "\U00012471", "\U00012472"
"""Punctuation of cuneiform; an answer's own is shown as dots, so that no model can write a mark."""
SIGN = "[?]"
"""Stands behind a sentence without support, like the number of a passage behind one that has it."""
MARKS = re.compile(f"([{BEGIN}{END}{END_OF_SENTENCE}])")
_NONE = dict.fromkeys(map(ord, (BEGIN, END, END_OF_SENTENCE)))
_DOTS = dict.fromkeys(_NONE, "·")
_STRUCTURE = re.compile(r"[ \t]*(?:(?:>|[-*+]|\d{1,9}[.)]|#{1,6})[ \t]+|\|[ \t]*)*")
"""What begins a line of a list, a quote, a heading or a table: the mark stands behind it."""
_CLOSING = re.compile(r"[\s|]*$")
_LETTER = re.compile(r"[^\W\d_]")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")


def unmarked(text: str) -> str:
    """The text without marks."""
    return text.translate(_NONE)


def with_marks(source: str, spans: Sequence[TextSpan] = ()) -> str:
    """Markdown with marks around these sentences, line by line; without any it keeps its length."""
    parts, last = list[str](), 0
    for begin, end in sorted(spans):
        if begin >= last:
            parts.append(source[last:begin].translate(_DOTS))
            parts += _marked_lines(source[begin:end].translate(_DOTS))
            last = end
    return "".join(parts) + source[last:].translate(_DOTS)


def _marked_lines(sentence: str) -> Iterator[str]:
    lines = sentence.splitlines(keepends=True)
    said = [number for number, line in enumerate(lines) if _LETTER.search(line) and not _FENCE.match(line)]
    for number, line in enumerate(lines):
        if number not in said:
            yield line
            continue
        begin, end = _structure_end(line), _text_end(line)
        closing = END_OF_SENTENCE if number == said[-1] else END
        yield f"{line[:begin]}{BEGIN}{line[begin:end]}{closing}{line[end:]}"


def _structure_end(line: str) -> int:
    found = _STRUCTURE.match(line)
    return found.end() if found else 0


def _text_end(line: str) -> int:
    found = _CLOSING.search(line)
    return found.start() if found else len(line)
