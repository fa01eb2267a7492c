"""WordPiece without a library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.retrieval.embed.wordpiece import WordPiece, WordPieceRules
from tests.unit.retrieval.embed.folders import TOKENS


def wordpiece(*extra: str, is_lowercase: bool = True, strips_accents: bool = True) -> WordPiece:
    vocabulary = {text: number for number, text in enumerate([*TOKENS, *extra])}
    return WordPiece(
        WordPieceRules(
            vocabulary=vocabulary,
            unknown=vocabulary["[UNK]"],
            cls=vocabulary["[CLS]"],
            sep=vocabulary["[SEP]"],
            is_lowercase=is_lowercase,
            strips_accents=strips_accents,
        )
    )


def pieces(text: str, *extra: str) -> list[str]:
    found = wordpiece(*extra)
    texts = [*TOKENS, *extra]
    return [texts[number] for number in found.ids(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat", ["the", "cat"]),
        ("playing", ["play", "##ing"]),
        ("cat.the", ["cat", ".", "the"]),
        ("cat\u00a0the\u2028cat\tthe", ["cat", "the", "cat", "the"]),
        ("c\u0000a\u200bt", ["cat"]),
        ("CÁT", ["cat"]),
        ("ca\u0301t", ["cat"]),
        ("the ☃ cat", ["the", "[UNK]", "cat"]),
        ("cat☃", ["[UNK]"]),
        ("[SEP]", ["[", "s", "##e", "##p", "]"]),
        ("", []),
    ],
)
def test_a_text_is_cut_as_bert_cuts_it(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_ideographs_stand_alone() -> None:
    assert pieces("the漢字cat", "漢", "字") == ["the", "漢", "字", "cat"]


def test_a_word_over_the_limit_is_unknown_as_a_whole() -> None:
    assert pieces("a" * 100) == ["a", *["##a"] * 99]
    assert pieces("a" * 101) == ["[UNK]"]


def test_case_and_accents_stay_where_the_model_knows_them() -> None:
    kept = wordpiece("Cát", is_lowercase=False, strips_accents=False)
    assert kept.ids("Cát") == [len(TOKENS)]


def test_a_long_text_is_cut_between_cls_and_sep() -> None:
    found = wordpiece()
    ids = found.wrapped("cat " * 100, 16)
    assert len(ids) == 16
    assert (ids[0], ids[-1]) == (found.rules.cls, found.rules.sep)
    assert found.wrapped("cat", 16) == [found.rules.cls, TOKENS.index("cat"), found.rules.sep]


@given(st.text())
def test_counting_is_cutting(text: str) -> None:
    found = wordpiece()
    assert found.count(text) == len(found.ids(text))
    assert all(0 <= number < len(TOKENS) for number in found.ids(text))
