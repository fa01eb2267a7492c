"""How far a passage supports a sentence, as words tell, and where in the passage."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgellm.data.draft_checks import content
from edgellm.data.sentences import sentence_spans

ENOUGH = 0.6
"""Share of a sentence's content words that its passage must hold."""
_NUMBER = re.compile(r"\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What a text says about a sentence."""

    share: float
    """Of the sentence's content words, those in the text; 0 when a number of the sentence is missing there."""
    start: int
    end: int
    """The sentence of the text that shares most with it, in characters."""

    @property
    def is_enough(self) -> bool:
        """Whether the text counts as evidence."""
        return self.share >= ENOUGH


def support(sentence: str, text: str, context: str = "") -> Support:
    """How far `text` supports `sentence`; words of `context` (the headings above the text) count as said by it.

    A rule about words, not about meaning: a contradiction in the same words passes.
    """
    said, held = content(sentence), content(text) | content(context)
    start, end = nearest(said, sentence_spans(text) or [(0, len(text))], text)
    if not said or any(_NUMBER.search(word) for word in said - held):
        return Support(share=0.0, start=start, end=end)
    return Support(share=len(said & held) / len(said), start=start, end=end)


def best(supports: Iterable[tuple[int, Support]]) -> tuple[int, Support] | None:
    """The strongest of supports with their passages' numbers; the first of equals."""
    return max(supports, key=lambda found: found[1].share, default=None)


def nearest(said: set[str], spans: Sequence[tuple[int, int]], text: str) -> tuple[int, int]:
    """The span of the text that shares most content words with `said`; the first of equals."""
    return max(spans, key=lambda span: len(content(text[span[0] : span[1]]) & said))
