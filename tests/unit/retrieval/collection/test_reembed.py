"""Another embedder's vectors grow beside the live ones and take their place at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgellm.errors import DiskFull, InvalidInput, StoreError
from edgellm.retrieval.collection import Collection, Reembedding, spaces
from edgellm.retrieval.search import search
from tests.unit.retrieval.library import IDENTITY, OTHER, add, vectors

THIRD = replace(OTHER, sha256="e" * 64)


def embed(collection: Collection, work: Reembedding, *, at_most: int = 100) -> None:
    """Give pending files vectors of the new embedder."""
    for name in work.pending()[:at_most]:
        chunks = collection.chunks_of(name)
        assert work.put(chunks, vectors(len(chunks), chunks[0].id, work.identity.dimensions))


def tables(collection: Collection) -> set[str]:
    rows = collection._database.read("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB '[sv]*_[0-9]'")
    return {name for (name,) in rows}


@pytest.fixture
def filled(collection: Collection) -> Collection:
    for name in "abc":
        add(collection, name, f"the file {name}", "and more")
    return collection


def test_the_switch_is_made_at_once_and_drops_the_old_vectors(filled: Collection) -> None:
    work = filled.reembed(OTHER)
    assert work.pending() == ["a", "b", "c"]
    embed(filled, work)
    assert filled.identity == IDENTITY
    assert search(filled, "file", vectors(1)[0])  # the live vectors are searched until the end
    work.finish()
    assert filled.identity == OTHER
    question = vectors(2, filled.chunks_of("b")[0].id, OTHER.dimensions)[1]
    assert search(filled, "", question)[0].chunk_id == filled.chunks_of("b")[1].id
    assert tables(filled) == {"vectors_2", "signs_2"}
    assert filled.verify() == []
    assert filled._database.read("PRAGMA secure_delete") == [(1,)]
    with pytest.raises(InvalidInput, match="96 dimensions"):
        Collection.open(filled.path, IDENTITY)


def test_it_goes_on_where_it_was_stopped(filled: Collection) -> None:
    embed(filled, filled.reembed(OTHER), at_most=2)
    filled.close()
    with Collection.open(filled.path, IDENTITY) as again:
        work = again.reembed(OTHER)
        assert work.pending() == ["c"]
        assert work.finish() == ["c"]
        assert again.identity == IDENTITY
        embed(again, work)
        assert work.finish() == []
        assert again.verify() == []


def test_files_that_change_meanwhile_are_embedded_again(filled: Collection) -> None:
    work = filled.reembed(OTHER)
    old = filled.chunks_of("a")
    embed(filled, work)
    add(filled, "a", "new text", "of two passages")
    add(filled, "d", "a new file")
    filled.remove(["b"])
    assert not work.put(old, vectors(2, 0, 96))
    assert work.pending() == ["a", "d"]
    embed(filled, work)
    assert not work.put(filled.chunks_of("d"), vectors(1, 0, 96))  # it has them
    work.finish()
    assert filled.verify() == []


def test_another_new_embedder_begins_anew(filled: Collection) -> None:
    first = filled.reembed(OTHER)
    embed(filled, first)
    second = filled.reembed(THIRD)
    assert second.pending() == ["a", "b", "c"]
    with pytest.raises(StoreError, match="ended by another process"):
        first.finish()
    second.cancel()
    assert tables(filled) == {"vectors_1", "signs_1"}
    assert filled.identity == IDENTITY


def test_broken_vectors_are_refused_here_too(filled: Collection) -> None:
    work = filled.reembed(OTHER)
    broken = vectors(2, 0, 96)
    broken[0, 0] = np.nan
    with pytest.raises(InvalidInput, match="NaN"):
        work.put(filled.chunks_of("a"), broken)
    assert work.pending() == ["a", "b", "c"]


def test_who_has_the_collection_open_must_open_it_again(filled: Collection) -> None:
    with Collection.open(filled.path) as other:
        work = filled.reembed(OTHER)
        embed(filled, work)
        work.finish()
        with pytest.raises(StoreError, match=r"embedded again by another process.*Open it again"):
            search(other, "file", vectors(1)[0])
        with pytest.raises(StoreError, match="embedded again"):
            add(other, "z", "text")
        assert len(other.files()) == 3


def test_what_is_deleted_is_wiped_again_after_a_drop_that_failed() -> None:
    said: list[str] = []

    def execute(sql: str, _parameters: object = ()) -> list[tuple[object, ...]]:
        said.append(sql)
        if sql.startswith("DROP"):
            raise DiskFull("There is no space left.")
        return []

    with pytest.raises(DiskFull):
        spaces.drop(execute, spaces.Space(1, IDENTITY))
    assert said[-1] == "PRAGMA secure_delete = ON"
