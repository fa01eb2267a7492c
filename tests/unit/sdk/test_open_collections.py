"""What stays open between questions: the right collection, opened again only where that helps, waited for by few."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.errors import DiskFull, InvalidInput, RequestCancelled, StoreError
from edgellm.paths import Home, home_from
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.open_collections import Kept, OpenCollections
from edgellm.settings import Settings
from tests.unit.retrieval.fakes import DIMENSIONS, WordEmbedder
from tests.unit.retrieval.library import chunks, document, source, vectors

WAIT_S = 10.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_from({"EDGELLM_HOME": str(tmp_path / "home")})


@pytest.fixture
def opened(home: Home) -> Iterator[OpenCollections]:
    made = OpenCollections(home)
    make(home, "old.txt")
    yield made
    made.close()


def make(home: Home, file: str) -> None:
    """A collection `c` of one file."""
    whole = document("A ticket costs nine crowns.")
    with CollectionShelf(home).open_or_create("c", lambda: WordEmbedder.identity) as collection:
        collection.put(source(file), whole, chunks(whole), vectors(1, 0, DIMENSIONS))


def names(collection: Collection) -> list[str]:
    return [each.file.name for each in collection.files()]


def test_a_collection_that_was_deleted_and_made_anew_is_the_new_one(home: Home, opened: OpenCollections) -> None:
    assert opened.use("c", names) == ["old.txt"]
    CollectionShelf(home).remove("c")
    make(home, "new.txt")
    assert opened.use("c", names) == ["new.txt"]


@pytest.mark.parametrize("error", [DiskFull("There is no space left."), StoreError("It cannot be read.")])
def test_an_error_that_opening_again_does_not_mend_is_told_at_once(opened: OpenCollections, error: StoreError) -> None:
    calls: list[Collection] = []

    def refuse(collection: Collection) -> None:
        calls.append(collection)
        raise error

    with pytest.raises(type(error)):
        opened.use("c", refuse)
    assert len(calls) == 1
    assert opened.use("c", lambda collection: collection) is calls[0]


def test_a_collection_that_another_thread_opened_again_is_not_closed(opened: OpenCollections) -> None:
    used: list[Collection] = []

    def closed_meanwhile(collection: Collection) -> list[str]:
        used.append(collection)
        if len(used) == 1:
            opened.forget("c")
            used.append(opened.use("c", lambda reopened: reopened))
        return names(collection)

    assert opened.use("c", closed_meanwhile) == ["old.txt"]
    assert used[2] is used[1]
    assert not used[1].is_outdated


def test_a_collection_that_was_embedded_again_elsewhere_is_opened_again(home: Home, opened: OpenCollections) -> None:
    def live(collection: Collection) -> str:
        with collection.view() as view:
            return view.space.identity.name

    assert opened.use("c", live) == "words"
    with CollectionShelf(home).open("c") as other:
        again = other.reembed(WordEmbedder.identity)
        again.put(other.chunks_of("old.txt"), vectors(1, 0, DIMENSIONS))
        again.finish()
    assert opened.use("c", live) == "words"


class Thing:
    """Something that is opened and closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_what_takes_long_to_open_keeps_nobody_else_waiting() -> None:
    kept, begun, goes_on = Kept[str, Thing](), threading.Event(), threading.Event()

    def slow() -> Thing:
        begun.set()
        assert goes_on.wait(WAIT_S)
        return Thing()

    thread = threading.Thread(target=lambda: kept.get("slow", slow))
    thread.start()
    assert begun.wait(WAIT_S)
    try:
        other = kept.get("other", Thing)
        assert kept.get("other", Thing) is other
    finally:
        goes_on.set()
        thread.join()
    assert isinstance(kept.get("slow", Thing), Thing)


def test_what_opens_while_all_is_closed_is_closed_too() -> None:
    kept, late = Kept[str, Thing](), Thing()

    def opening() -> Thing:
        kept.close()
        return late

    with pytest.raises(RequestCancelled, match="was closed"):
        kept.get("late", opening)
    assert late.is_closed
    assert kept.get("late", Thing) is not late, "and it can be opened again"


def test_texts_are_put_in_order_by_the_reranker_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ByLength:
        """Scores a text by its length."""

        def __init__(self, folder: Path) -> None:
            assert folder.name == "tiny-reranker"

        def rerank(self, _question: str, texts: list[str]) -> list[float]:
            return [len(text) for text in texts]

        def close(self) -> None:
            """Nothing to end."""

    monkeypatch.setattr("edgellm.retrieval.embed.rerank.Reranker", ByLength)
    settings = Settings(reranker=str(tmp_path / "tiny-reranker"))
    with EdgeLLM(home=tmp_path, settings=settings) as edge:
        assert edge.rerank("ferry", ["a", "abc", ""]) == [1.0, 3.0, 0.0]
    with EdgeLLM(home=tmp_path, settings=Settings()) as edge, pytest.raises(InvalidInput, match="no reranker"):
        edge.rerank("ferry", ["a"])
