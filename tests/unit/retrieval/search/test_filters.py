"""Filters choose files by name, kind, tag and day."""

from __future__ import annotations

import pytest

from edgellm.errors import InvalidInput
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.search.filters import files_for
from edgellm.retrieval.values import Filters
from tests.unit.retrieval.library import chunks, document, source, vectors

DAY_S = 86_400
JANUARY = 1_704_067_200.0  # 2024-01-01


@pytest.fixture
def shelf(collection: Collection) -> Collection:
    files = (
        ("/docs/2024/report.pdf", "pdf", ("sea",), 0, "2021-05-01"),
        ("/docs/2024/old report.pdf", "pdf", ("sea", "old"), 1, None),
        ("/docs/notes [1].md", "markdown", (), 2, None),
        ("/docs/notes 1.md", "markdown", ("old",), 3, None),
    )
    for name, kind, tags, day, written in files:
        whole = document("text", kind=kind, written=written)
        file = source(name, tags=tags, modified=JANUARY + day * DAY_S)
        collection.put(file, whole, chunks(whole), vectors(1))
    collection.put_failed(source("/docs/broken.pdf", tags=("sea",)), "broken")
    return collection


def chosen(shelf: Collection, filters: Filters) -> set[int] | None:
    with shelf.view() as view:
        found = files_for(view.execute, filters)
    return None if found is None else set(found)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), None),
        (Filters(files=("/docs/2024/report.pdf",)), {1}),
        (Filters(files=("report.pdf",)), {1}),
        (Filters(files=("2024/*",)), {1, 2}),
        (Filters(files=("*report.pdf",)), {1, 2}),
        (Filters(files=("notes [1].md",)), {3}),
        (Filters(files=("notes ?.md",)), {4}),
        (Filters(files=("*.md", "report.pdf")), {1, 3, 4}),
        (Filters(files=("**20?4*report**",)), {1, 2}),
        (Filters(files=("*o*o*ts*",)), set()),
        (Filters(files=("no*s*1*.*md",)), {3, 4}),
        (Filters(files=("eport.pdf",)), set()),
        (Filters(kinds=("pdf", "docx")), {1, 2}),
        (Filters(tags=("sea",)), {1, 2}),
        (Filters(tags=("sea", "old")), {2}),
        (Filters(since="2024-01-03"), {3, 4}),
        (Filters(until="2024-01-02"), {1, 2}),
        (Filters(since="2024-01-02", until="2024-01-03"), {2, 3}),
        (Filters(kinds=("markdown",), tags=("old",), files=("*1*",), since="2024-01-04"), {4}),
    ],
)
def test_all_filters_must_fit(shelf: Collection, filters: Filters, expected: set[int] | None) -> None:
    assert chosen(shelf, filters) == expected


@pytest.mark.parametrize("day", ["", "2024", "2024-13-01", "20240101", "yesterday", "2024-01-01T00:00"])
def test_what_is_no_day_is_refused(shelf: Collection, day: str) -> None:
    for field, filters in (("since", Filters(since=day)), ("until", Filters(until=day))):
        with pytest.raises(InvalidInput, match="is no day") as caught:
            chosen(shelf, filters)
        assert caught.value.facts["field"] == field


@pytest.mark.parametrize(("kind", "advice"), [("word", "Known: pdf, docx"), ("markdwn", "Did you mean 'markdown'?")])
def test_what_is_no_kind_is_refused(shelf: Collection, kind: str, advice: str) -> None:
    with pytest.raises(InvalidInput, match=f"'{kind}' is no kind") as caught:
        chosen(shelf, Filters(kinds=("pdf", kind)))
    assert advice in str(caught.value.hint)
    assert caught.value.facts["field"] == "kinds"


@pytest.mark.timeout(10)
def test_a_pattern_of_many_stars_is_answered_at_once(collection: Collection) -> None:
    whole = document("text")
    collection.put(source("/docs/" + "a" * 200), whole, chunks(whole), vectors(1))
    assert chosen(collection, Filters(files=("*a" * 30 + "b",))) == set()
    assert chosen(collection, Filters(files=("*a" * 30,))) == {1}
