"""Texts as the words they hold: what compares questions where no embedder is, and what names their topics; pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgellm.data.draft_checks import content
from edgellm.safetext import normalised

MOST_WORDS = 4096
"""Different words that are told apart, the most frequent ones."""
MOST_CHARS = 2000
"""Of a question that are looked at."""
FEWEST_LETTERS = 3
"""Of a word that may name a topic, where its script has spaces."""
LABEL_WORDS = 4
HELD = 0.25
"""Share of a topic's questions that a word of its label is in."""
TELLING = 1.92
"""Log-likelihood ratio from which the two shares are hardly the same by chance (5 %)."""
_MASK = re.compile(r"\[[a-z_]+\]")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")

Floats = NDArray[np.float32]


def words_of(text: str) -> list[str]:
    """The words of a text that carry meaning, in small letters, masks of personal data left out.

    Of scripts without spaces, every two characters.
    """
    plain = normalised(_MASK.sub(" ", text[:MOST_CHARS]), "NFKC").casefold()
    found: list[str] = []
    for word in _WORD.findall(plain):
        if _UNSPACED.search(word) and len(word) > 2:
            found += (word[at : at + 2] for at in range(len(word) - 1))
        elif _carries(word):
            found.append(word)
    return found


@lru_cache(maxsize=20_000)
def _carries(word: str) -> bool:
    """Whether it is more than one of the words that every English sentence is made of."""
    return bool(content(word))


def word_vectors(texts: Sequence[str]) -> Floats:
    """One unit vector a text, of its words weighed by how rare they are (TF-IDF); zeros without a word.

    Returns: (texts, words), at most `MOST_WORDS` wide. A word of one text alone connects nothing and is left out.
    """
    held = [content(_MASK.sub(" ", text[:MOST_CHARS])) for text in texts]
    number_of = Counter(word for words in held for word in words)
    known = [word for word, number in number_of.most_common(MOST_WORDS) if number > 1]
    columns = {word: at for at, word in enumerate(known)}
    vectors: Floats = np.zeros((len(texts), max(1, len(known))), np.float32)
    for row, words in enumerate(held):
        for word in words:
            if word in columns:
                vectors[row, columns[word]] = 1 + math.log(len(texts) / number_of[word])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors


def labels(texts: Sequence[str], topics: Sequence[Sequence[int]]) -> list[tuple[str, ...]]:
    """For each topic (positions in `texts`) the words that tell it from all other texts, the most telling first.

    A word tells by the log-likelihood ratio of the shares of texts it is in, inside and outside (Dunning, 1993).
    """
    held = [set(words_of(text)) for text in texts]
    everywhere = Counter(word for words in held for word in words)
    return [_label([held[at] for at in topic], everywhere, len(texts)) for topic in topics]


def _label(held: Sequence[set[str]], everywhere: Counter[str], texts: int) -> tuple[str, ...]:
    inside = Counter(word for words in held for word in words)
    telling = {
        word: _ratio(count, len(held), everywhere[word] - count, texts - len(held))
        for word, count in inside.items()
        if count >= max(min(2, len(held)), HELD * len(held)) and _can_name(word)
    }
    best = sorted(telling, key=lambda word: (-telling[word], -inside[word], -len(word), word))
    return tuple(word for at, word in enumerate(best[:LABEL_WORDS]) if not at or telling[word] >= TELLING)


def _can_name(word: str) -> bool:
    return len(word) >= FEWEST_LETTERS or _UNSPACED.search(word) is not None


def _ratio(inside: int, of: int, outside: int, others: int) -> float:
    """How much the two shares say that they are different ones; below 0 where the word is rarer inside."""
    whole = (inside + outside) / (of + others)
    found = _likelihood(inside, of, inside / of) - _likelihood(inside, of, whole)
    if others:
        found += _likelihood(outside, others, outside / others) - _likelihood(outside, others, whole)
    return found if not others or inside / of >= outside / others else -found


def _likelihood(count: int, of: int, share: float) -> float:
    if share in (0.0, 1.0):
        return 0.0
    return count * math.log(share) + (of - count) * math.log(1 - share)
