"""Measures of rankings, against values computed by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.retrieval.measure import Quality, ndcg_at, quality, recall_at, reciprocal_rank

RANKING = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("relevant", "k", "recall", "rank", "ndcg"),
    [
        ({"a"}, 5, 1.0, 1.0, 1.0),
        ({"c"}, 5, 1.0, 1 / 3, 0.5),  # 1 / log2(4)
        ({"c"}, 2, 0.0, 0.0, 0.0),
        ({"b", "e"}, 5, 1.0, 0.5, (1 / math.log2(3) + 1 / math.log2(6)) / (1 + 1 / math.log2(3))),
        ({"b", "x"}, 5, 0.5, 0.5, (1 / math.log2(3)) / (1 + 1 / math.log2(3))),
        ({"a", "b", "x"}, 2, 2 / 3, 1.0, 1.0),  # more cannot be found among two
        ({"x"}, 5, 0.0, 0.0, 0.0),
    ],
)
def test_values_by_hand(relevant: set[str], k: int, recall: float, rank: float, ndcg: float) -> None:
    assert recall_at(RANKING, relevant, k) == pytest.approx(recall)
    assert reciprocal_rank(RANKING, relevant, k) == pytest.approx(rank)
    assert ndcg_at(RANKING, relevant, k) == pytest.approx(ndcg)


def test_a_page_that_is_found_twice_counts_once() -> None:
    assert recall_at(["a", "a", "b"], ["a", "a"], 3) == 1.0
    assert ndcg_at(["x", "a", "a"], ["a"], 3) == pytest.approx(1 / math.log2(3))


def test_an_empty_ranking_finds_nothing() -> None:
    assert (recall_at([], {"a"}, 3), reciprocal_rank([], {"a"}, 3), ndcg_at([], {"a"}, 3)) == (0, 0, 0)


def test_quality_is_the_mean_over_questions() -> None:
    found = quality([["a", "b"], ["b", "a"], ["c"]], [{"a"}, {"a"}, {"a"}], k=2)
    expected = Quality(questions=3, recall=2 / 3, mrr=0.5, ndcg=(1 + 1 / math.log2(3)) / 3)
    assert found.questions == 3
    assert (found.recall, found.mrr, found.ndcg) == pytest.approx((expected.recall, expected.mrr, expected.ndcg))


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        recall_at(RANKING, set(), 3)
    with pytest.raises(ValueError, match="at least 1"):
        ndcg_at(RANKING, {"a"}, 0)
    with pytest.raises(ValueError, match="shorter"):
        quality([["a"]], [])


@given(st.lists(st.integers(0, 20), max_size=30), st.sets(st.integers(0, 20), min_size=1), st.integers(1, 15))
def test_measures_are_shares(ranking: list[int], relevant: set[int], k: int) -> None:
    for measure in (recall_at, reciprocal_rank, ndcg_at):
        assert 0 <= measure(ranking, relevant, k) <= 1 + 1e-12
