"""Documents are put together from clean pieces, with honest positions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm import safetext
from edgellm.retrieval.parse import build
from edgellm.retrieval.parse.build import Builder, clean, clean_line
from edgellm.retrieval.parse.refusal import Refused
from tests.unit.retrieval.parse.reading import blocks


def test_blocks_say_where_they_are() -> None:
    builder = Builder("text")
    builder.heading(" The\n title ", 2, page=3)
    builder.text("Words  here.\n\n\n\nMore.")
    builder.code("  a = 1\n\n  b = 2\n")
    builder.table([["x", "y\nz"], ["", ""], ["1", "2"]])
    assert blocks(builder) == [
        "heading2 p3: The title",
        "text: Words here.\n\nMore.",
        "code:   a = 1\n\n  b = 2",
        "table: x | y z\n1 | 2",
    ]


def test_rows_have_the_names_of_their_columns_and_stand_below_each_other() -> None:
    builder = Builder("csv")
    builder.row(["name", "age"], ["Alice", "30", "extra"])
    builder.row(["name", "age"], ["", "41"])
    assert builder.document().text == "name: Alice | age: 30 | extra\nage: 41"


def test_a_heading_that_is_too_long_is_a_text_and_levels_end_at_nine() -> None:
    builder = Builder("text")
    builder.heading("x" * 301, 1)
    builder.heading("deep", 4000)
    assert [(block.kind, block.level) for block in builder.document().blocks] == [("text", 0), ("heading", 9)]


def test_a_document_without_text_says_so() -> None:
    builder = Builder("text")
    builder.text(" \n ")
    assert builder.document().notices == ("it holds no text",)


def test_too_much_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "TEXT_LIMIT_CHARS", 10)
    builder = Builder("text")
    builder.text("12345")
    with pytest.raises(Refused, match="more than 10 characters"):
        builder.text("6789")


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("a\r\nb\rc\fd\u2028e", "a\nb\nc\nd\ne"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("nul\x00 bell\x07 esc\x1b]0;x", "nul bell esc]0;x"),
        ("\u202eabc", "⟨U+202E⟩abc"),
        ("zero\u200bwidth \ud800", "zerowidth \ufffd"),
        ("ﬁnd ﬂow", "find flow"),
        ("naïve 漢字 नमस्ते 👍🏽", "naïve 漢字 नमस्ते 👍🏽"),
    ],
)
def test_text_is_clean_when_it_is_stored(raw: str, stored: str) -> None:
    assert clean(raw) == stored


@given(st.lists(st.text(), max_size=5))
def test_what_is_stored_is_what_is_shown(pieces: list[str]) -> None:
    builder = Builder("text")
    for piece in pieces:
        builder.text(piece)
        builder.code(piece)
        builder.heading(piece, 1)
        builder.row([clean_line(piece)], [piece, piece])
    document = builder.document()
    assert safetext.clean(document.text) == document.text
    assert all(document.text[block.start : block.end].strip() for block in document.blocks)
    assert all(earlier.end < later.start for earlier, later in pairwise(document.blocks))
