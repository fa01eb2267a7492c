"""Text as the word index sees it: one form of each letter, and scripts without spaces cut into pairs of characters."""

from __future__ import annotations

import re

from edgellm.safetext import normalised

_UNSPACED = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # kana, Chinese characters
    "\U00020000-\U0003ffff"
    "]+"
)


def folded(text: str) -> str:
    """`text` in small letters, ligatures and wide forms as plain ones: Unicode's case folding, then NFKC."""
    return normalised(text.casefold(), "NFKC")


def spaced(text: str) -> str:
    """`text` with every run of Chinese, Japanese, Thai, Lao, Khmer or Burmese as overlapping pairs between spaces.

    A word of such a script is then found by its pairs, wherever the run that holds it begins.
    """
    return _UNSPACED.sub(lambda run: f" {_pairs(run.group())} ", text)


def _pairs(run: str) -> str:
    return " ".join(run[place : place + 2] for place in range(max(1, len(run) - 1)))
