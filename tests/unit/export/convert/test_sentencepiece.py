"""Scores and merges of SentencePiece vocabularies."""

from __future__ import annotations

from typing import Any

import pytest

from edgellm.export.convert.sentencepiece import NEVER, SPACE, adds_space, merges, normalizer_of, scores

CUT_SPACES = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
METASPACE = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": False}


def test_merges_come_back_from_scores() -> None:
    texts = ["a", "b", "ab", "aba", "abab", "x"]
    pairs = [("a", "b"), ("ab", "a"), ("aba", "b"), ("ab", "ab")]
    found = scores(texts, pairs)
    assert found == [NEVER, NEVER, 0.0, -1.0, -2.0, NEVER]
    assert merges(texts, found, [True] * 6) == pairs


def test_tokens_that_are_no_pieces_are_not_merged() -> None:
    assert merges(["a", "b", "ab"], [0.0, 0.0, 0.0], [True, True, False]) == []


@pytest.mark.parametrize("space_first", [True, False])
def test_normalizers_come_back(space_first: bool) -> None:
    for pre_tokenizer in (None, CUT_SPACES):
        assert adds_space(normalizer_of(space_first=space_first), pre_tokenizer) is space_first


@pytest.mark.parametrize(
    ("normalizer", "pre_tokenizer", "found"),
    [
        (None, METASPACE, True),
        (None, METASPACE | {"prepend_scheme": "never"}, False),
        (None, METASPACE | {"prepend_scheme": "sometimes"}, None),
        (None, METASPACE | {"split": True}, None),
        (None, METASPACE | {"replacement": "_"}, None),
        (None, None, None),
        ({"type": "NFKC"}, None, None),
        ({"type": "NFKC"}, METASPACE, None),
        (normalizer_of(space_first=True), {"type": "Whitespace"}, None),
    ],
)
def test_whether_a_text_gets_a_space(normalizer: Any, pre_tokenizer: Any, found: bool | None) -> None:
    assert adds_space(normalizer, pre_tokenizer) is found
