"""The nearest passages are those of an exact search."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import InvalidInput
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.collection.bits import Floats, signs
from edgellm.retrieval.search.nearest import BLOCK, closest, cosines, hamming, nearest, rescored, sign_products
from tests.unit.retrieval.library import DIMENSIONS, add, chunks, document, source, unit, vectors


def clustered(count: int, seed: int = 0) -> Floats:
    """Vectors as texts have them: in groups."""
    centres = vectors(20, seed)
    noise = np.random.default_rng(seed).normal(size=(count, DIMENSIONS), scale=0.08)
    return unit((centres[np.arange(count) % 20] + noise).astype(np.float32))


@given(st.integers(0, 70), st.integers(1, 300), st.integers(0, 2**32))
def test_hamming_counts_different_signs(count: int, dimensions: int, seed: int) -> None:
    dice = np.random.default_rng(seed)
    rows, question = dice.normal(size=(count, dimensions)), dice.normal(size=dimensions)
    kept = np.ascontiguousarray(signs(rows.astype(np.float32)).T)
    expected = ((rows > 0) != (question > 0)).sum(axis=1)
    assert hamming(kept, signs(question[None].astype(np.float32))[0]).tolist() == expected.tolist()


@given(st.integers(0, 20), st.integers(1, 200), st.integers(0, 2**32))
def test_sign_products_order_as_vectors_of_signs(count: int, dimensions: int, seed: int) -> None:
    dice = np.random.default_rng(seed)
    rows = dice.normal(size=(count, dimensions)).astype(np.float32)
    question = dice.normal(size=dimensions).astype(np.float32)
    positions = dice.permutation(count)
    products = sign_products(np.ascontiguousarray(signs(rows).T), positions, question)
    expected = np.where(rows > 0, 1, -1)[positions] @ question
    assert 2 * products - question.sum() == pytest.approx(expected, abs=1e-3)


def test_sign_products_of_a_million_equals_take_little_memory() -> None:
    count, words = 8 * BLOCK, 6
    kept = np.zeros((words, count), np.uint64)
    tracemalloc.start()
    products = sign_products(kept, np.arange(count), np.ones(words * 64, np.float32))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert products.tolist() == [products[0]] * count
    assert peak < 40 * 2**20


def test_long_lists_among_many_are_not_rescored_in_tens_of_thousands() -> None:
    assert rescored(50, 10_000) == 150
    assert rescored(50, 1_000_000) == 947  # as measured: the cap does not reach a list of the usual length
    assert rescored(5000, 1_000_000) == 15_000


def test_hamming_goes_on_behind_a_block() -> None:
    kept = np.zeros((2, BLOCK + 3), np.uint64)
    kept[:, -1] = np.iinfo(np.uint64).max
    assert hamming(kept, np.zeros(2, np.uint64))[-2:].tolist() == [0, 128]


@given(st.lists(st.integers(0, 384), max_size=200), st.integers(1, 50))
def test_closest_takes_the_smallest_and_their_equals(values: list[int], count: int) -> None:
    distances = np.array(values, np.uint16)
    allowed = np.random.default_rng(len(values)).random(len(values)) < 0.5
    for mask in (None, allowed):
        found = closest(distances, count, mask)
        among = distances if mask is None else distances[mask]
        assert len(found) >= min(count, len(among))
        limit = np.sort(among)[:count].max(initial=0)
        expected = (distances <= limit) & (True if mask is None else mask)
        assert found.tolist() == np.flatnonzero(expected).tolist()


def fill(collection: Collection, rows: Floats, each: int = 50) -> None:
    for first in range(0, len(rows), each):
        part = rows[first : first + each]
        whole = document(*(f"passage {first + number}" for number in range(len(part))))
        collection.put(source(f"{first}"), whole, chunks(whole), part)


def test_the_exact_ten_are_found(collection: Collection) -> None:
    rows, questions = clustered(3000), clustered(60, seed=0)[:40]
    fill(collection, rows)
    with collection.view() as view:
        shares = []
        for question in questions:
            found = nearest(view, question, 50, None)
            exact = np.argsort(-(rows @ question))[:10] + 1
            shares.append(len({number for number, _ in found[:10]} & set(exact.tolist())) / 10)
            scores = [score for _, score in found]
            assert scores == sorted(scores, reverse=True)
            assert scores[0] == pytest.approx(float(rows[found[0][0] - 1] @ question), abs=1e-6)
    assert np.mean(shares) >= 0.99


def test_only_allowed_files_are_ranked_before_the_best_are_taken(collection: Collection) -> None:
    rows = clustered(1000)
    fill(collection, rows)
    last = collection._database.read("SELECT id FROM files WHERE name = '950'")[0][0]
    with collection.view() as view:
        found = nearest(view, rows[0], 20, frozenset({last}))
        assert len(found) == 20
        assert all(number > 950 for number, _ in found)
        assert nearest(view, rows[0], 20, frozenset()) == []


def test_equal_vectors_come_in_their_order(collection: Collection) -> None:
    fill(collection, np.repeat(vectors(1), 30, axis=0))
    with collection.view() as view:
        assert [number for number, _ in nearest(view, vectors(1)[0], 5, None)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("question", [np.full(DIMENSIONS, np.nan), np.ones(DIMENSIONS), vectors(1, 0, 32)[0]])
def test_a_question_that_cannot_be_compared_is_refused(collection: Collection, question: Floats) -> None:
    add(collection, "a", "text")
    with collection.view() as view, pytest.raises(InvalidInput):
        nearest(view, question.astype(np.float32), 5, None)


def test_cosines_are_those_of_the_float_vectors(collection: Collection) -> None:
    rows = clustered(60)
    fill(collection, rows)
    with collection.view() as view:
        found = cosines(view, [7, 3, 999], rows[5])
    assert found == {7: pytest.approx(float(rows[6] @ rows[5])), 3: pytest.approx(float(rows[2] @ rows[5]))}
