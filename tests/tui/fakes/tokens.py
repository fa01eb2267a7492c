"""Text cut into tokens, with plausible probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgellm.types import Alternative, Delta, TokenTrace


@dataclass(frozen=True)
class FakeToken:
    """A token."""

    id: int
    text: str


def pieces(text: str) -> list[str]:
    """Words with the space before them, as most tokenizers cut."""
    parts: list[str] = []
    for word in text.split(" "):
        parts.append(word if not parts else f" {word}")
    return parts


def traced(text: str) -> list[Delta]:
    """The text as deltas of one token each, with plausible probabilities."""
    deltas = []
    for number, piece in enumerate(pieces(text)):
        top = 0.35 + 0.6 * ((number * 37) % 100) / 100
        rest = [(" the", 0.5), (" a", 0.25), (" it", 0.15), ("\n", 0.1)]
        others = tuple(Alternative(token=i, text=t, logprob=math.log((1 - top) * p)) for i, (t, p) in enumerate(rest))
        chosen = Alternative(token=99, text=piece, logprob=math.log(top))
        trace = TokenTrace(
            token=99,
            text=piece,
            logprob=math.log(top),
            entropy=round(4.0 * (1 - top), 3),
            alternatives=(chosen, *others),
        )
        deltas.append(Delta(text=piece, tokens=(trace,)))
    return deltas
