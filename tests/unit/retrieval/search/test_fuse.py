"""Reciprocal rank fusion, by hand."""

from __future__ import annotations

import pytest

from edgellm.retrieval.search.fuse import reciprocal_ranks


def test_scores_are_sums_of_reciprocal_ranks() -> None:
    fused = reciprocal_ranks([[1, 2, 3], [3, 4]])
    assert [item for item, _ in fused] == [3, 1, 2, 4]
    assert [score for _, score in fused] == pytest.approx([1 / 63 + 1 / 61, 1 / 61, 1 / 62, 1 / 62])


def test_nothing_fuses_to_nothing() -> None:
    assert reciprocal_ranks([[], []]) == []
