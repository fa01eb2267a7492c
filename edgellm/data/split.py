"""Which split a row belongs to: decided by its content, whole groups together."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Literal

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
FEWEST_HELD_OUT = 5
"""A split that would get fewer rows gets none: each may be the only one of its fact, and so few measure nothing."""
LARGEST_HELD_OUT_GROUP = 8
"""Larger groups of alike rows are trained on: one of them would be a validation set of one thing."""


def split(ids: Sequence[str], groups: Sequence[int], valid_share: float, test_share: float) -> list[Split]:
    """The split of each row.

    `ids` are content ids, `groups` the index of the earliest row of each row's group. A group goes where a hash of its
    earliest row's id falls, so rows that are added later move nothing; only the largest group that may be held out
    grows with the number of rows, up to `LARGEST_HELD_OUT_GROUP`. A share of less than `FEWEST_HELD_OUT` rows is none.
    Where rows are validated on, at least one group is, and one is trained on.
    """
    valid_share, test_share = (
        share if share * len(ids) >= FEWEST_HELD_OUT else 0.0 for share in (valid_share, test_share)
    )
    sizes = Counter(groups)
    largest = max(1, min(LARGEST_HELD_OUT_GROUP, len(ids) // 10))
    order = sorted(sizes, key=lambda group: _place(ids[group]))
    chosen: dict[int, Split] = {}
    for group in order:
        place = _place(ids[group])
        is_small = sizes[group] <= largest
        chosen[group] = "valid" if is_small and place < valid_share else "train"
        if is_small and valid_share <= place < valid_share + test_share:
            chosen[group] = "test"
    if len(order) > 1:
        _ensure(chosen, order, sizes, wants_valid=valid_share > 0)
    return [chosen[group] for group in groups]


def _ensure(chosen: dict[int, Split], order: Sequence[int], sizes: Counter[int], *, wants_valid: bool) -> None:
    """At least one group to train on, and one to validate on where it is wanted: the smallest that comes first."""
    if "train" not in chosen.values():
        chosen[order[-1]] = "train"
    if wants_valid and "valid" not in chosen.values():
        last_trained = [group for group in order if chosen[group] == "train"][1:]
        candidates = [group for group in order if chosen[group] == "test"] + last_trained
        chosen[min(candidates, key=lambda group: sizes[group])] = "valid"


def _place(row_id: str) -> float:
    """Where in the unit interval a row's id falls."""
    return int.from_bytes(hashlib.sha256(row_id.encode()).digest()[:8]) / 2**64
