"""Texts that ask much the same are put together, by vectors and by words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgellm.data.clusters import by_vectors, by_words


def test_vectors_that_point_the_same_way_are_together() -> None:
    vectors = [(1.0, 0.0), (0.0, 1.0), (0.8, 0.6), (0.1, 0.995)]
    assert by_vectors(vectors, 0.75) == [[0, 2], [1, 3]]
    assert by_vectors([], 0.75) == []


def test_no_chain_leads_from_one_question_to_a_far_one() -> None:
    vectors = [(1.0, 0.0), (0.8, 0.6), (0.28, 0.96)]
    assert by_vectors(vectors, 0.75) == [[0, 1], [2]], "the third is like the second, but not like the first"


def test_words_in_common() -> None:
    texts = ["How do I reset my password?", "Which river is longest?", "how do I RESET my password!", ""]
    assert by_words(texts) == [[0, 2], [1], [3]]


@given(st.lists(st.text(max_size=30), max_size=12))
def test_each_text_is_in_one_group(texts: list[str]) -> None:
    groups = by_words(texts)
    assert sorted(index for group in groups for index in group) == list(range(len(texts)))
    assert all(group == sorted(group) for group in groups)
