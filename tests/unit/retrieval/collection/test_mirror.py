"""The signs in memory are those of the file, whoever changed it."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgellm.retrieval.collection import Collection
from edgellm.retrieval.collection.bits import signs, word_count
from edgellm.retrieval.collection.mirror import Mirror, MirrorKeeper
from tests.unit.retrieval.library import DIMENSIONS, add


def content(mirror: Mirror) -> dict[int, bytes]:
    """Passage to its signs."""
    ids = mirror.chunk_ids(np.arange(mirror.signs.shape[1]))
    return {int(number): column.tobytes() for number, column in zip(ids, mirror.signs.T, strict=True)}


def of_file(collection: Collection) -> dict[int, bytes]:
    """The same, from the float vectors."""
    rows = collection._database.read("SELECT chunk, vector FROM vectors_1")
    return {number: signs(np.frombuffer(vector, "<f4")[None]).tobytes() for number, vector in rows}


@given(st.integers(1, 200), st.integers(0, 5))
def test_signs_have_one_bit_a_dimension(dimensions: int, count: int) -> None:
    rows = np.random.default_rng(count).normal(size=(count, dimensions)).astype(np.float32)
    packed = signs(rows)
    assert packed.shape == (count, word_count(dimensions))
    assert packed.dtype == np.uint64
    assert np.bitwise_count(packed).sum() == (rows > 0).sum()


def test_the_mirror_follows_writes_of_another_connection(collection: Collection) -> None:
    dice = random.Random(0)
    with Collection.open(collection.path) as other:
        for step in range(60):
            name = f"file {dice.randint(0, 9)}"
            if dice.random() < 0.3:
                other.remove([name])
            elif dice.random() < 0.1:
                other.put_failed(other.files()[0].file, "gone") if other.files() else None
            else:
                add(other, name, *(f"passage {number}" for number in range(dice.randint(1, 5))), seed=step)
            with collection.view() as view:
                assert content(view.mirror) == of_file(collection)


def test_an_unchanged_collection_keeps_its_mirror(collection: Collection) -> None:
    add(collection, "a", "one", "two")
    with collection.view() as first:
        pass
    with collection.view() as second:
        assert second.mirror is first.mirror
    add(collection, "b", "three")
    with collection.view() as third:
        assert third.mirror is not first.mirror


def test_only_new_files_are_read(collection: Collection) -> None:
    add(collection, "a", "one", "two")
    with collection.view():
        pass
    add(collection, "b", "three")
    asked: list[str] = []
    with collection._database.snapshot() as execute:

        def listening(sql: str, parameters: object = ()) -> list[tuple[object, ...]]:
            asked.append(f"{sql} {parameters}")
            return execute(sql, parameters)

        collection._keeper.at(listening, collection._space)
    assert [line for line in asked if "signs_1" in line] == [
        "SELECT signs FROM signs_1 WHERE file > ? ORDER BY file (1,)"
    ]


def test_an_older_state_does_not_see_the_newer_mirror(collection: Collection) -> None:
    add(collection, "a", "one", "two")
    keeper = MirrorKeeper()
    with Collection.open(collection.path) as other, other._database.snapshot() as old:
        assert old("SELECT count(*) FROM files") == [(1,)]
        collection.remove(["a"])
        add(collection, "b", "three")
        with collection._database.snapshot() as new:
            assert set(content(keeper.at(new, collection._space))) == {3}
        assert set(content(keeper.at(old, collection._space))) == {1, 2}
        with collection._database.snapshot() as new:
            assert set(content(keeper.at(new, collection._space))) == {3}


def test_members_are_the_passages_of_files(collection: Collection) -> None:
    add(collection, "a", "one", "two")
    add(collection, "b", "three")
    add(collection, "c", "four")
    with collection.view() as view:
        assert view.mirror.members({1, 3}).tolist() == [True, True, False, True]
        assert not view.mirror.members(frozenset()).any()


def test_the_mirror_takes_a_bit_a_dimension(collection: Collection) -> None:
    add(collection, "a", *(f"passage {number}" for number in range(100)))
    with collection.view() as view:
        assert view.mirror.signs.nbytes == 100 * DIMENSIONS // 8
