"""Which texts are computed together: similar lengths, a bounded number of tokens, hardly any padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def batches(lengths: Sequence[int], budget_tokens: int) -> Iterator[list[int]]:
    """Split texts, longest first, into batches of at most `budget_tokens` once each is padded to its longest.

    A text longer than the budget is a batch of its own. Yields: lists of indices into `lengths`; each appears once.
    """
    order = sorted(range(len(lengths)), key=lambda at: -lengths[at])
    start = 0
    while start < len(order):
        count = max(1, budget_tokens // max(1, lengths[order[start]]))
        yield order[start : start + count]
        start += count
