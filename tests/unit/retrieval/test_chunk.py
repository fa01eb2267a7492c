"""Passages follow a document's structure, hold the limit and leave nothing out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgellm.retrieval.chunk import Count, chunk
from edgellm.retrieval.values import Block, BlockKind, Chunk, Document

Part = tuple[BlockKind, str, int, int | None]
"""Kind, text, level, page."""


def words(text: str) -> int:
    return len(text.split())


def document(parts: Sequence[Part], kind: str = "text") -> Document:
    text, blocks = "", []
    for of, piece, level, page in parts:
        text += "\n\n" if text else ""
        blocks.append(Block(kind=of, start=len(text), end=len(text) + len(piece), level=level, page=page))
        text += piece
    return Document(kind=kind, text=text, blocks=tuple(blocks))


def texts(parts: Sequence[Part], *, size: int, overlap: int = 0, kind: str = "text") -> list[str]:
    return [each.text for each in chunk(document(parts, kind), count=words, size=size, overlap=overlap)]


def test_sentences_are_packed_up_to_the_limit_and_not_torn() -> None:
    text = "One two three. Four five six. Seven eight nine ten."
    assert texts([("text", text, 0, None)], size=7) == ["One two three. Four five six.", "Seven eight nine ten."]


def test_a_sentence_that_is_too_long_alone_is_cut_at_blanks() -> None:
    found = texts([("text", " ".join(["word"] * 25), 0, None)], size=10)
    assert all(words(each) <= 10 for each in found)
    assert " ".join(found).split() == ["word"] * 25


def test_headings_are_the_path_and_a_new_one_begins_a_passage() -> None:
    parts: list[Part] = [
        ("heading", "Book", 1, None), ("heading", "One", 2, None), ("text", "First.", 0, None),
        ("heading", "Two", 2, None), ("text", "Second.", 0, None), ("heading", "Other", 1, None),
        ("text", "Third.", 0, None),
    ]  # fmt: skip
    found = chunk(document(parts), count=words, size=20)
    assert [(each.headings, each.text) for each in found] == [
        (("Book", "One"), "First."), (("Book", "Two"), "Second."), (("Other",), "Third."),
    ]  # fmt: skip
    assert found[0].embedded_text == "Book > One\nFirst."
    assert found[0].tokens == 4


def test_a_heading_with_nothing_below_it_is_a_passage() -> None:
    parts: list[Part] = [("text", "Before.", 0, None), ("heading", "The end", 1, None)]
    assert texts(parts, size=20) == ["Before.", "The end"]


def test_headings_give_way_outermost_first() -> None:
    parts: list[Part] = [
        ("heading", "a very long title of the book", 1, None), ("heading", "Two", 2, None),
        ("text", "Words here.", 0, None),
    ]  # fmt: skip
    found = chunk(document(parts), count=words, size=9)
    assert [(each.headings, each.text) for each in found] == [
        ((), "a very long title of the book"), (("Two",), "Words here."),
    ]  # fmt: skip


def test_no_passage_goes_over_a_page_and_each_knows_its_own() -> None:
    found = chunk(document([("text", "On one.", 0, 1), ("text", "On two.", 0, 2)]), count=words, size=50)
    assert [(each.page, each.text) for each in found] == [(1, "On one."), (2, "On two.")]


def test_rows_stay_whole_and_later_ones_have_the_header_above_them() -> None:
    rows = "Name Age\nAlice 30\nBob 41\nCarol 7\nDave 9"
    found = chunk(document([("heading", "People", 1, None), ("table", rows, 0, None)]), count=words, size=8)
    assert [(each.headings, each.text) for each in found] == [
        (("People",), "Name Age\nAlice 30\nBob 41"),
        (("People", "Name Age"), "Carol 7\nDave 9"),
    ]
    assert [each.tokens for each in found] == [7, 8]  # the mark between two headings is a word here


def test_rows_that_stand_for_themselves_have_no_header() -> None:
    rows: list[Part] = [("table", f"Name: A{at} Age: {at}", 0, None) for at in range(4)]
    found = chunk(document(rows, "csv"), count=words, size=8)
    assert [each.headings for each in found] == [(), ()]


def test_a_passage_within_a_function_has_its_first_line_above_it() -> None:
    code = "@once\ndef area(radius):\n" + "\n".join(f"    step {at} is done" for at in range(6))
    found = chunk(document([("code", code, 0, None)], "code"), count=words, size=14)
    assert len(found) > 1
    assert found[0].headings == ()
    assert {each.headings for each in found[1:]} == {("def area(radius):",)}


def test_code_is_cut_between_lines_and_a_short_paragraph_of_it_is_whole() -> None:
    code = "a b\nc d\n\ne f\ng h"
    assert texts([("code", code, 0, None)], size=8) == [code]
    assert texts([("code", code, 0, None)], size=4) == ["a b\nc d", "e f\ng h"]


def test_a_paragraph_that_would_be_torn_for_little_begins_the_next_passage() -> None:
    parts: list[Part] = [("text", "One two three four.", 0, None), ("text", "Five six. Seven eight nine.", 0, None)]
    assert texts(parts, size=6) == ["One two three four.", "Five six. Seven eight nine."]


def test_overlap_repeats_whole_sentences() -> None:
    text = "One two. Three four. Five six. Seven eight."
    found = texts([("text", text, 0, None)], size=4, overlap=2)
    assert found == ["One two. Three four.", "Three four. Five six.", "Five six. Seven eight."]


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (5, 5), (5, -1)])
def test_a_limit_that_makes_no_sense_is_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match=f"size {size} and overlap {overlap}"):
        chunk(document([]), count=words, size=size, overlap=overlap)


def test_a_text_without_an_end_is_counted_in_pieces() -> None:
    longest = 0

    def counted(text: str) -> int:
        nonlocal longest
        longest = max(longest, len(text))
        return len(text)

    found = chunk(document([("text", "x" * 100_000, 0, None)]), count=counted, size=100)
    assert sum(len(each.text) for each in found) == 100_000
    assert longest <= 100 * 20


@pytest.mark.parametrize("kind", ["text", "code"])
def test_a_script_without_blanks_whose_words_nobody_knows_is_no_endless_passage(kind: BlockKind) -> None:
    found = chunk(document([(kind, "ก" * 100_000, 0, None)]), count=words, size=50)
    assert max(len(each.text) for each in found) <= 50 * 20
    assert sum(len(each.text) for each in found) == 100_000


def test_blanks_at_the_end_of_a_line_are_no_passage() -> None:
    found = chunk(document([("table", "a \nb ", 0, None)]), count=lambda text: len(text) + 1, size=2)
    assert [each.text for each in found] == ["a", "b"]


COUNTS: dict[str, Count] = {
    "words": words,
    "characters": len,
    "bytes and two marks": lambda text: len(text.encode("utf-8", "replace")) // 3 + 2,
    "pieces of four": lambda text: sum(-(-len(word) // 4) for word in text.split()),
}
ANY_TEXT = st.text(max_size=120) | st.text(alphabet="ab .!?\n|:-", max_size=400)
KINDS: st.SearchStrategy[BlockKind] = st.sampled_from(["heading", "text", "table", "code"])
PARTS = st.lists(st.tuples(KINDS, ANY_TEXT, st.integers(1, 4), st.integers(1, 2)), max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    parts=PARTS,
    kind=st.sampled_from(["text", "code"]),
    size=st.integers(1, 60),
    overlap=st.integers(0, 20),
    count=st.sampled_from(sorted(COUNTS)),
)
def test_any_document_is_cut_within_the_limit_and_nothing_is_left_out(
    parts: list[Part], kind: str, size: int, overlap: int, count: str
) -> None:
    source = document(sorted(parts, key=lambda part: part[3] or 0), kind)
    found = chunk(source, count=COUNTS[count], size=size, overlap=min(overlap, size - 1))
    for each in found:
        assert each.text == source.text[each.start : each.end]
        assert each.text.strip()
        assert each.tokens == COUNTS[count](each.embedded_text)
        assert each.tokens <= size or len(each.text) == 1
    for earlier, later in pairwise(found):
        assert (earlier.start, earlier.end) < (later.start, later.end)
        assert earlier.end <= later.end
        if min(overlap, size - 1) == 0:
            assert earlier.end <= later.start
    assert not left_out(source, found)


def left_out(source: Document, found: Sequence[Chunk]) -> list[str]:
    """What stands in no passage and in no passage's path."""
    covered = bytearray(len(source.text))
    for each in found:
        covered[each.start : each.end] = b"\1" * (each.end - each.start)
    paths = {heading for each in found for heading in each.headings}
    missing = []
    for block in source.blocks:
        piece = source.text[block.start : block.end]
        is_in_path = block.kind == "heading" and " ".join(piece.split()) in paths
        if not is_in_path and any(
            not char.isspace() and not covered[block.start + at] for at, char in enumerate(piece)
        ):
            missing.append(piece)
    return missing
