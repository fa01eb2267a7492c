"""A search fuses both lists, keeps to its filters, reranks, and tells what each hit rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgellm.errors import InvalidInput
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.collection.bits import Floats
from edgellm.retrieval.search import search
from edgellm.retrieval.values import Chunk, Filters, SearchMode
from tests.unit.retrieval.library import add, chunks, document, source, unit, vectors

WORDS = ("lamp", "keeper", "cutter", "oil", "rope", "storm", "log", "tower")

PLAIN: tuple[SearchMode, ...] = ("fused", "vector", "words")
"""Ways of searching that need no reranker."""


def towards(place: int, others: float = 0.1) -> Floats:
    """A vector near the axis of that number."""
    row = np.full((1, 64), others, np.float32)
    row[0, place] = 3
    found: Floats = unit(row)[0]
    return found


@pytest.fixture
def filled(collection: Collection) -> Collection:
    """One passage a page, each about a word of its own; its vector points along the word's axis."""
    whole = document(*(f"All about the {word}." for word in WORDS))
    found = [on_page(one, page) for page, one in enumerate(chunks(whole), 1)]
    rows = np.stack([towards(place) for place in range(len(WORDS))])
    collection.put(source("/docs/book.pdf", tags=("book",)), whole, found, rows)
    return collection


def on_page(chunk: Chunk, page: int) -> Chunk:
    return replace(chunk, page=page, headings=(f"Part {page}",))


def test_a_hit_tells_where_it_stands_and_why(filled: Collection) -> None:
    hit = search(filled, "the keeper", towards(1))[0]
    assert (hit.chunk_id, hit.file, hit.page, hit.headings) == (2, "/docs/book.pdf", 2, ("Part 2",))
    assert hit.text == "All about the keeper."
    assert filled.text(hit.file)[hit.start : hit.end] == hit.text
    assert hit.score == pytest.approx(2 / 61)
    assert hit.similarity == pytest.approx(1, abs=1e-5)
    assert hit.word_rank == 1


def test_modes_rank_by_what_they_say(filled: Collection) -> None:
    by_mode = {mode: search(filled, "rope", towards(0), mode=mode, limit=2) for mode in PLAIN}
    assert by_mode["vector"][0].chunk_id == 1
    assert by_mode["vector"][0].score == by_mode["vector"][0].similarity
    assert by_mode["vector"][0].word_rank is None
    assert [hit.chunk_id for hit in by_mode["words"]] == [5]
    assert by_mode["words"][0].similarity == pytest.approx(float(towards(4) @ towards(0)), abs=1e-6)
    assert {hit.chunk_id for hit in by_mode["fused"]} == {1, 5}


def test_words_need_no_vector(filled: Collection) -> None:
    hits = search(filled, "storm", None, mode="words")
    assert [(hit.chunk_id, hit.similarity) for hit in hits] == [(6, None)]
    with pytest.raises(InvalidInput, match="'fused' needs the question's vector"):
        search(filled, "storm", None)


def test_filters_apply_before_the_best_are_taken(filled: Collection) -> None:
    add(filled, "/docs/other.txt", "A word about the lamp.")
    for mode in PLAIN:
        hits = search(filled, "lamp", towards(0), mode=mode, limit=1, filters=Filters(files=("other.txt",)))
        assert [hit.file for hit in hits] == ["/docs/other.txt"]
        assert search(filled, "lamp", towards(0), mode=mode, filters=Filters(tags=("none",))) == []


def test_the_order_is_the_rerankers(filled: Collection) -> None:
    asked: list[tuple[str, int]] = []

    def longest_word(question: str, passages: Sequence[str]) -> list[float]:
        asked.append((question, len(passages)))
        return [10.0 if "storm" in passage else -len(passage) for passage in passages]

    hits = search(filled, "lamp", towards(0), limit=3, mode="reranked", rerank=longest_word)
    assert asked == [("lamp", 8)]
    assert (hits[0].chunk_id, hits[0].score) == (6, 10.0)
    assert len(hits) == 3


@pytest.mark.parametrize(("limit", "read"), [(1, 20), (10, 20), (20, 40), (50, 50)])
def test_a_reranker_reads_more_than_is_asked_for_and_never_many(collection: Collection, limit: int, read: int) -> None:
    add(collection, "a", *(f"The lamp, part {number}." for number in range(60)))
    asked: list[int] = []

    def rerank(_question: str, passages: Sequence[str]) -> list[float]:
        asked.append(len(passages))
        return [1.0] * len(passages)

    search(collection, "lamp", vectors(1)[0], limit=limit, mode="reranked", rerank=rerank)
    assert asked == [read]
    with pytest.raises(InvalidInput, match="51 hits") as caught:
        search(collection, "lamp", vectors(1)[0], limit=51, mode="reranked", rerank=rerank)
    assert "Ask for 1 to 50, or" in str(caught.value.hint)


def test_a_reranker_reads_what_the_embedder_reads(filled: Collection) -> None:
    def rerank(_question: str, passages: Sequence[str]) -> list[float]:
        assert "Part 2\nAll about the keeper." in passages
        return [1.0] * len(passages)

    assert search(filled, "keeper", towards(1), mode="reranked", rerank=rerank)


@pytest.mark.parametrize("scores", [[], [1.0], [float("nan")] * 8])
def test_a_reranker_that_gives_no_score_for_each_is_refused(filled: Collection, scores: list[float]) -> None:
    with pytest.raises(InvalidInput, match="reranker"):
        search(filled, "lamp", towards(0), mode="reranked", rerank=lambda *_: scores)


def test_a_reranked_search_without_a_reranker_is_refused(filled: Collection) -> None:
    with pytest.raises(InvalidInput, match="needs a reranker"):
        search(filled, "lamp", towards(0), mode="reranked")


def test_a_reranker_is_not_asked_about_nothing(collection: Collection) -> None:
    assert search(collection, "lamp", towards(0), mode="reranked", rerank=lambda *_: [1.0]) == []


def test_ten_hits_are_not_one_page(collection: Collection) -> None:
    whole = document(*(f"The lamp, part {number}." for number in range(40)))
    found = [on_page(one, 1 if number < 20 else number) for number, one in enumerate(chunks(whole))]
    rows = np.stack([towards(0, 0.01 * number) for number in range(40)])  # the first page is nearest
    collection.put(source("a"), whole, found, rows)
    hits = search(collection, "lamp", towards(0, 0.0), limit=10)
    assert sum(hit.page == 1 for hit in hits) == 2
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_limits_have_bounds(filled: Collection, limit: int) -> None:
    with pytest.raises(InvalidInput, match="hits were asked for"):
        search(filled, "lamp", towards(0), limit=limit)


def test_a_search_sees_what_another_process_wrote(filled: Collection) -> None:
    with Collection.open(filled.path) as other:
        assert search(other, "anchor", towards(9), limit=1)[0].file == "/docs/book.pdf"
        whole = document("An anchor.")
        filled.put(source("new"), whole, chunks(whole), towards(9)[None])
        assert search(other, "anchor", towards(9), limit=1)[0].file == "new"
        filled.remove(["new"])
        assert "new" not in {hit.file for hit in search(other, "anchor", vectors(1)[0])}
