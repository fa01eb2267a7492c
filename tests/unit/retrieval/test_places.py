"""A passage is shown with its page, or what is around it, and never with a whole book."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from edgellm.errors import InvalidInput
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.places import AROUND, MOST_OF_PAGE, place_of
from edgellm.retrieval.values import Chunk, Document
from tests.unit.retrieval.library import IDENTITY, source, vectors


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.create(tmp_path / "c.sqlite", IDENTITY) as made:
        yield made


def put(collection: Collection, text: str, chunks: Sequence[Chunk]) -> None:
    collection.put(source("a"), Document(kind="text", text=text, blocks=()), chunks, vectors(len(chunks)))


def part(text: str, start: int, end: int, page: int | None = None) -> Chunk:
    return Chunk(text=text[start:end], start=start, end=end, page=page)


def test_a_page_is_shown_whole_and_nothing_of_the_next(collection: Collection) -> None:
    text = "First page.\n\nSecond page begins.\n\nIt ends.\n\nThird page."
    bounds = [(0, 11, 1), (13, 32, 2), (34, 42, 2), (44, 55, 3)]
    put(collection, text, [part(text, *each) for each in bounds])
    place = place_of(collection, "a", 34, 42)
    assert (place.page, place.text) == (2, "Second page begins.\n\nIt ends.")
    assert place.text[place.start : place.end] == "It ends."


def test_of_a_sheet_that_is_as_long_as_a_book_only_the_rows_around_are_shown(collection: Collection) -> None:
    row = "name: Ann | age: 41 | town: Marrow\n"
    text = row * 10_000
    starts = range(0, len(text), len(row) * 100)
    put(collection, text, [part(text, start, start + len(row) * 100 - 1, 1) for start in starts])
    start = len(row) * 5000
    place = place_of(collection, "a", start, start + len(row) - 1)
    assert place.text[place.start : place.end] + "\n" == row
    assert len(place.text) < 3 * MOST_OF_PAGE
    assert all(line + "\n" == row for line in place.text.split("\n"))


def test_without_pages_whole_lines_around_are_shown(collection: Collection) -> None:
    text = "\n".join(f"line {number}" for number in range(1000))
    start = text.index("line 500")
    put(collection, text, [part(text, start, start + 8)])
    place = place_of(collection, "a", start, start + 8)
    assert place.text[place.start : place.end] == "line 500"
    assert 2 * AROUND <= len(place.text) < 2 * AROUND + 50
    assert place.text.startswith("line ")


def test_a_line_without_an_end_is_cut(collection: Collection) -> None:
    text = "x" * 500_000
    put(collection, text, [part(text, 250_000, 250_100)])
    place = place_of(collection, "a", 250_000, 250_100)
    assert len(place.text) <= 4 * AROUND + 100
    assert (place.end - place.start) == 100


def test_a_place_that_is_not_there_is_refused(collection: Collection) -> None:
    put(collection, "short", [part("short", 0, 5)])
    with pytest.raises(InvalidInput, match=r"no passage from 3 to 9.* has 5 characters"):
        place_of(collection, "a", 3, 9)
