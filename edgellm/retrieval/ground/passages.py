"""Numbered passages in a block that no document can close."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgellm.retrieval.values import Hit, named_place
from edgellm.safetext import clean, clean_line

Count = Callable[[str], int]
"""Length of a text in the tokens of the model that reads it."""

_MARKER = re.compile(r"[<＜﹤‹](?=[\W_]*passage)", re.IGNORECASE)
"""What could be taken for the beginning of a marker, also by a reader that is generous."""
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
    return _MARKER.sub("(", text)


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
