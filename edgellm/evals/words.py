"""Texts compared as question answering compares them: normalised, and by their words; pure.

Normalising is that of the SQuAD evaluation (Rajpurkar et al., 2016): small letters, without punctuation, without the
articles a, an and the, single blanks. Punctuation of every script counts, and equal characters in other encodings are
the same (NFKC).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from edgellm import safetext

_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalised(text: str) -> str:
    """The text as answers are compared."""
    small = safetext.normalised(text, "NFKC").lower()
    bare = "".join(each for each in small if not unicodedata.category(each).startswith("P"))
    return " ".join(_ARTICLES.sub(" ", bare).split())


def token_f1(answer: str, expected: str) -> float:
    """Harmonic mean of precision and recall of the normalised words; 1 when both have none."""
    ours, theirs = normalised(answer).split(), normalised(expected).split()
    if not ours or not theirs:
        return float(ours == theirs)
    same = sum((Counter(ours) & Counter(theirs)).values())
    if not same:
        return 0.0
    precision, recall = same / len(ours), same / len(theirs)
    return 2 * precision * recall / (precision + recall)


def longest_run(answer: str, source: str) -> int:
    """Most words in a row that the normalised texts share."""
    ours, theirs = normalised(answer).split(), normalised(source).split()
    longest, before = 0, [0] * (len(theirs) + 1)
    for word in ours:
        now = [0] * (len(theirs) + 1)
        for at, other in enumerate(theirs, 1):
            if word == other:
                now[at] = before[at - 1] + 1
        longest, before = max(longest, *now), now
    return longest
