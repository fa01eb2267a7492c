"""Hits are from several pages, and no copies."""

from __future__ import annotations

from collections.abc import Iterator

from edgellm.retrieval.search.diverse import PAGE_CHARACTERS, PER_PAGE, diverse
from edgellm.retrieval.values import Hit


def hit(number: int, *, page: int | None = None, start: int = 0, text: str = "", file: str = "a") -> Hit:
    text = text or f"text {number}"
    return Hit(chunk_id=number, file=file, page=page, headings=(), text=text, start=start, end=start + 9, score=-number)


def ids(hits: list[Hit]) -> list[int]:
    return [hit.chunk_id for hit in hits]


def test_a_page_gives_a_few_passages() -> None:
    hits = [*(hit(number, page=1) for number in range(5)), hit(5, page=2), hit(6, page=1, file="b")]
    assert ids(diverse(hits, 4)) == [0, 1, 5, 6]
    assert PER_PAGE == 2


def test_where_there_are_no_pages_a_stretch_of_text_is_one() -> None:
    hits = [hit(number, start=number * PAGE_CHARACTERS // 4) for number in range(8)]
    assert ids(diverse(hits, 4)) == [0, 1, 4, 5]


def test_copies_come_once() -> None:
    hits = [hit(0, text="the same"), hit(1, text=" the\nsame ", file="b"), hit(2, text="another", file="c")]
    assert ids(diverse(hits, 2)) == [0, 2]


def test_what_was_left_out_fills_up_in_its_place() -> None:
    hits = [*(hit(number, page=1) for number in range(4)), hit(4, page=2)]
    assert ids(diverse(hits, 4)) == [0, 1, 2, 4]
    assert ids(diverse(hits, 99)) == [0, 1, 2, 3, 4]
    assert diverse([], 3) == []


def test_no_more_is_read_than_needed() -> None:
    read = []

    def reading() -> Iterator[Hit]:
        for number in range(9):
            read.append(number)
            yield hit(number, page=number)

    diverse(reading(), 3)
    assert read == [0, 1, 2]
