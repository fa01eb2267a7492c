"""Collections by name: made, listed, removed, and what a killed making leaves."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from edgellm.errors import CollectionNotFound, InvalidInput, StoreError
from edgellm.paths import Home, home_from
from edgellm.retrieval.shelf import CollectionShelf
from tests.unit.retrieval.fakes import WordEmbedder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_from({"EDGELLM_HOME": str(tmp_path)})


def test_one_that_was_killed_while_it_was_made_does_not_count_and_is_made_again(home: Home) -> None:
    shelf = CollectionShelf(home)
    shelf.open_or_create("c", lambda: WordEmbedder.identity).close()
    connection = apsw.Connection(str(shelf.path("c")))
    connection.execute("DELETE FROM spaces")
    connection.close()
    assert shelf.list() == []
    with pytest.raises(CollectionNotFound, match="never finished"):
        shelf.open("c")
    with shelf.open_or_create("c", lambda: WordEmbedder.identity) as again:
        assert again.identity == WordEmbedder.identity
    assert [info.name for info in shelf.list()] == ["c"]


def test_what_is_no_collection_is_left_alone(home: Home) -> None:
    shelf = CollectionShelf(home)
    shelf.open_or_create("c", lambda: WordEmbedder.identity).close()
    (home.collections / "notes.txt").write_text("mine")
    (home.collections / "bad name.sqlite").write_text("mine")
    assert shelf.names() == ["c"]
    with pytest.raises(InvalidInput, match="cannot be a collection's name"):
        shelf.remove("bad name")


def test_one_that_is_being_changed_is_not_removed(home: Home) -> None:
    shelf = CollectionShelf(home)
    shelf.open_or_create("c", lambda: WordEmbedder.identity).close()
    with shelf.locked("c"), pytest.raises(StoreError, match="being changed by another run"):
        shelf.remove("c")
    shelf.remove("c")
    assert [path.name for path in home.collections.iterdir()] == []


def test_one_that_cannot_be_opened_hides_no_other(home: Home) -> None:
    shelf = CollectionShelf(home)
    for name in ("a", "b", "c"):
        shelf.open_or_create(name, lambda: WordEmbedder.identity).close()
    shelf.path("a").write_bytes(b"Dear diary")
    connection = apsw.Connection(str(shelf.path("c")))
    connection.pragma("user_version", 99)
    connection.close()
    damaged, sound, newer = shelf.list()
    assert (damaged.name, sound.name, newer.name) == ("a", "b", "c")
    assert (sound.reason, sound.embedder) == ("", "words")
    assert "it is no SQLite file" in damaged.reason
    assert "has format 99" in newer.reason
    assert (damaged.size_bytes, damaged.files) == (10, 0)
