"""Wrapping a stream between words."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.cli.style import display_width
from edgellm.cli.wordwrap import WordWrap

TEXTS = st.text(alphabet="ab क河 \n`", max_size=200)


def wrapped(text: str, width: int) -> str:
    wrap = WordWrap(width)
    return wrap.feed(text) + wrap.flush()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one two three", "one two\nthree"),
        ("  indented stays", "  indented\nstays"),
        ("one two\nthree four", "one two\nthree four"),
        ("```\nlet a = b + c;\n```\none two three", "```\nlet a = b + c;\n```\none two\nthree"),
        ("河流河流河流", "河流河流河\n流"),
        ("", ""),
    ],
)
def test_lines_break_between_words(text: str, shown: str) -> None:
    assert wrapped(text, 10) == shown


@given(TEXTS, st.lists(st.integers(0, 200), max_size=5))
def test_cuts_of_the_stream_change_nothing(text: str, cuts: list[int]) -> None:
    wrap = WordWrap(12)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [wrap.feed(text[a:b]) for a, b in pairwise(edges)]
    assert "".join(pieces) + wrap.flush() == wrapped(text, 12)


@given(TEXTS)
def test_nothing_but_space_is_lost(text: str) -> None:
    assert "".join(wrapped(text, 12).split()) == "".join(text.split())


@given(st.lists(st.text(alphabet="abक", min_size=1, max_size=20), max_size=40))
def test_no_line_is_wider_than_the_terminal(words: list[str]) -> None:
    assert all(display_width(line) <= 24 for line in wrapped(" ".join(words), 24).splitlines())
