"""Numbered passages in a block that no document can close."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgellm.data.draft_checks import content
from edgellm.data.sentences import sentence_spans
from edgellm.retrieval.ground.support import nearest
from edgellm.retrieval.values import Hit, named_place
from edgellm.safetext import clean, clean_line

Count = Callable[[str], int]
"""Length of a text in the tokens of the model that reads it."""

_BEFORE = re.compile(r"(?<![\W_])[\W_]++(?=passage)", re.IGNORECASE)
"""What stands between a word and `passage`: its brackets could begin a marker, for a reader that is generous."""
_BRACKETS = str.maketrans(dict.fromkeys("<＜﹤‹", "("))
LONGEST_PLACE = 200
"""Characters of file, page and headings together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A hit with the number by which the answer cites it."""

    number: int
    hit: Hit

    def block(self) -> str:
        """How the model reads it."""
        place = neutral(clean_line(named_place(self.hit.file, self.hit.page, self.hit.headings)))[:LONGEST_PLACE]
        return f"<passage {self.number}: {place}>\n{neutral(clean(self.hit.text)).strip()}\n</passage {self.number}>"


def neutral(text: str) -> str:
    """The text without anything that begins like `<passage` or `</passage`: the bracket becomes a parenthesis."""
    return _BEFORE.sub(lambda before: before[0].translate(_BRACKETS), text)


def numbered(hits: Sequence[Hit], budget: int, count: Count) -> list[Passage]:
    """The best hits that fit into `budget` tokens, in the order in which they stand in their files.

    That order depends on what was found, not on the question: questions about the same passages share the beginning
    of their prompts, which the engine then reads once. A hit that does not fit is left out, and a smaller one behind
    it may still be taken.
    """
    chosen: list[Hit] = []
    left = budget
    for hit in hits:
        tokens = count(Passage(number=len(hits), hit=hit).block())
        if tokens <= left:
            chosen.append(hit)
            left -= tokens
    in_order = sorted(chosen, key=lambda hit: (hit.file, hit.start, hit.chunk_id))
    return [Passage(number=number, hit=hit) for number, hit in enumerate(in_order, 1)]


def shortened(question: str, hit: Hit, budget: int, count: Count) -> Passage:
    """What fits into `budget` tokens of a hit that is too long: its sentence nearest to the question and those around.

    Of a sentence that is too long itself, a part; one character is left, however small the budget is.
    """

    def part(start: int, end: int) -> Passage:
        cut = replace(hit, text=hit.text[start:end], start=hit.start + start, end=hit.start + end)
        return Passage(number=1, hit=cut)

    def is_fitting(span: tuple[int, int]) -> bool:
        return count(part(*span).block()) <= budget

    asked, spans = content(question), sentence_spans(hit.text) or [(0, len(hit.text))]
    best = nearest(asked, spans, hit.text)
    if is_fitting(best):
        return part(*_widened(spans, spans.index(best), is_fitting))
    while best[1] - best[0] > 1 and not is_fitting(best):
        best = nearest(asked, _halves(*best, hit.text), hit.text)
    return part(*best)


def _widened(
    spans: Sequence[tuple[int, int]], at: int, is_fitting: Callable[[tuple[int, int]], bool]
) -> tuple[int, int]:
    """From the sentence at this place to as many of those behind it, then before it, as fit."""
    first = last = at
    while last + 1 < len(spans) and is_fitting((spans[first][0], spans[last + 1][1])):
        last += 1
    while first and is_fitting((spans[first - 1][0], spans[last][1])):
        first -= 1
    return spans[first][0], spans[last][1]


def _halves(start: int, end: int, text: str) -> list[tuple[int, int]]:
    """The span cut at the last blank before its middle; at its middle in writing without blanks."""
    middle = (start + end) // 2
    middle = text.rfind(" ", start, middle) + 1 or middle
    return [(start, middle), (middle, end)]
