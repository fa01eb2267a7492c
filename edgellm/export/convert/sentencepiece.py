"""SentencePiece vocabularies: tokenizer.json keeps merges in order, llama.cpp a score for each piece.

Method: Kudo and Richardson 2018, arXiv:1808.06226, with byte-pair encoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SPACE = "▁"
NEVER = -1e9
"""Score of a piece that no merge makes."""
_TO_SPACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
_PREPEND = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, _TO_SPACE]}
_CUT_SPACES = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
"""Gemma's; after normalization no space is left to cut at."""


def adds_space(normalizer: Any, pre_tokenizer: Any) -> bool | None:
    """Whether a text gets a space in front; None when the definition is not known."""
    if pre_tokenizer in (None, _CUT_SPACES) and normalizer in (_PREPEND, _TO_SPACE):
        return bool(normalizer == _PREPEND)
    is_metaspace = isinstance(pre_tokenizer, Mapping) and pre_tokenizer.get("type") == "Metaspace"
    if normalizer is not None or not is_metaspace:
        return None
    if pre_tokenizer.get("replacement") != SPACE or pre_tokenizer.get("split", True):
        return None
    scheme = pre_tokenizer.get("prepend_scheme", "always")
    return scheme != "never" if scheme in ("always", "first", "never") else None


def normalizer_of(*, space_first: bool) -> dict[str, Any]:
    """The `normalizer` of a vocabulary, the inverse of `adds_space`."""
    return _PREPEND if space_first else _TO_SPACE


def scores(texts: Sequence[str], merges: Sequence[tuple[str, str]]) -> list[float]:
    """A score for each piece, such that llama.cpp (best score first) merges in the order of `merges`."""
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        ranks.setdefault(left + right, rank)
    return [-float(ranks[text]) if text in ranks else NEVER for text in texts]


def merges(texts: Sequence[str], found: Sequence[float], is_plain: Sequence[bool]) -> list[tuple[str, str]]:
    """Every pair of pieces that makes a piece, in transformers' order: best score first, then longest left half.

    The inverse of `scores`.
    """
    known = {text: number for number, text in enumerate(texts) if is_plain[number]}
    pairs: list[tuple[float, int, str, str]] = []
    for text, number in known.items():
        for cut in range(1, len(text)):
            if text[:cut] in known and text[cut:] in known:
                pairs.append((-found[number], -cut, text[:cut], text[cut:]))
    pairs.sort(key=lambda pair: pair[:2])
    return [(left, right) for _score, _cut, left, right in pairs]
