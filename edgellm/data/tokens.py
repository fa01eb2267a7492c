"""How long rows are, in a model's own tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgellm.types import Message


class Measure(Protocol):
    """Counts tokens as one model reads them."""

    @property
    def model(self) -> str:
        """The model's name."""

    def __call__(self, messages: Sequence[Message]) -> int:
        """Tokens of a whole conversation, written by the model's template, its markers included."""

    def text(self, text: str) -> int:
        """Tokens of a text as it stands, without a template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStatistics:
    """Lengths of the rows of one split, in tokens."""

    rows: int
    min: int
    median: int
    p95: int
    """The nearest-rank 95th percentile."""
    max: int
    total: int
    over_context_rows: int
    """Conversations longer than the context. Texts are cut into pieces, of which none is lost."""
    cut_share: float
    """Share of all tokens that lies beyond the context and would be cut off."""


def statistics(conversations: Sequence[int], texts: Sequence[int], context_tokens: int) -> TokenStatistics:
    """The statistics of rows with these lengths; all zero for no rows."""
    ordered = sorted((*conversations, *texts)) or [0]
    total = sum(ordered)
    beyond = [length - context_tokens for length in conversations if length > context_tokens]
    return TokenStatistics(
        rows=len(conversations) + len(texts),
        min=ordered[0],
        median=ordered[_rank(len(ordered), 0.5)],
        p95=ordered[_rank(len(ordered), 0.95)],
        max=ordered[-1],
        total=total,
        over_context_rows=len(beyond),
        cut_share=sum(beyond) / total if total else 0.0,
    )


def _rank(count: int, share: float) -> int:
    """Index of the nearest rank."""
    return max(0, -int(-count * share // 1) - 1)
