"""Files that are no healthy collection of this version are refused, and their bytes stay."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path

import apsw
import pytest

from edgellm.errors import CollectionNotFound, DiskFull, StoreDamaged, StoreError, StoreTooNew
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.collection.schema import COLLECTION, MIGRATIONS
from edgellm.retrieval.search import search
from edgellm.retrieval.values import Filters
from edgellm.store import open_store
from tests.unit.retrieval.library import IDENTITY, add, content, vectors

BOMB = zlib.compress(bytes(8 * 1024**2))
"""Eight megabytes of zeros in eight thousand bytes."""


def test_the_file_is_marked_private_and_guarded(collection: Collection) -> None:
    add(collection, "a", "text")
    wanted = {
        "application_id": COLLECTION.application_id,
        "user_version": len(MIGRATIONS),
        "page_size": 8192,
        "trusted_schema": 0,
        "secure_delete": 1,
    }
    assert {name: collection._database.read(f"PRAGMA {name}")[0][0] for name in wanted} == wanted
    for file in collection.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(StoreError, match="may not be modified"):
        collection._database.read("DELETE FROM words_data")
    with pytest.raises(StoreError, match="not authorized"):
        collection._database.read("SELECT load_extension('x')")


def test_a_newer_collection_is_refused_untouched(collection: Collection) -> None:
    add(collection, "a", "text")
    with collection._database.write() as execute:
        execute("PRAGMA user_version = 99")
    collection.close()
    before = content(collection.path)
    with pytest.raises(StoreTooNew, match=r"The collection .* has format 99") as caught:
        Collection.open(collection.path)
    assert caught.value.facts == {"found_version": 99, "known_version": len(MIGRATIONS)}
    assert content(collection.path) == before


def foreign(path: Path, kind: str) -> None:
    if kind == "store":
        open_store(path).close()
    elif kind == "another program's":
        other = apsw.Connection(str(path))
        other.execute("CREATE TABLE recipes (name)")
        other.close()
    elif kind == "its list cut off":
        with Collection.create(path, IDENTITY) as made:
            for number in range(50):
                add(made, f"{number}", "text " * 500)
        os.truncate(path, path.stat().st_size // 2)
    elif kind == "its list overwritten":
        with Collection.create(path, IDENTITY) as made:
            add(made, "a", "text")
            page = made._database.read("SELECT rootpage FROM sqlite_schema WHERE name = 'files'")[0][0]
        with path.open("r+b") as file:
            file.seek((page - 1) * 8192)
            file.write(b"\xff" * 4000)
    else:
        path.write_bytes({"text": b"Dear diary\n" * 999, "zeros": bytes(9999)}[kind])


@pytest.mark.parametrize(
    "kind", ["store", "another program's", "its list cut off", "its list overwritten", "text", "zeros"]
)
@pytest.mark.parametrize("way", ["open", "create"])
def test_what_is_no_healthy_collection_is_refused_untouched(tmp_path: Path, kind: str, way: str) -> None:
    path = tmp_path / "c.sqlite"
    foreign(path, kind)
    before = content(path)
    with pytest.raises(StoreDamaged, match=r"The collection .* cannot be used") as caught:
        Collection.open(path) if way == "open" else Collection.create(path, IDENTITY)
    assert "add the files again" in caught.value.hint
    assert content(path) == before


def test_a_collection_whose_making_was_killed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.touch()
    with pytest.raises(CollectionNotFound, match="never finished"):
        Collection.open(path)
    with Collection.create(path, IDENTITY) as made:
        add(made, "a", "text")
        assert made.verify() == []


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("DELETE FROM vectors_1 WHERE chunk = 2", "a: 2 of 3 vectors"),
        ("UPDATE vectors_1 SET vector = zeroblob(256) WHERE chunk = 2", "a: its vectors are not of unit length"),
        ("UPDATE signs_1 SET signs = zeroblob(24)", "a: the signs of its vectors"),
        ("DELETE FROM chunks WHERE id = 3", "a: 2 of 3 passages"),
        ("DELETE FROM texts", "a: 0 of 18 characters"),
        ("UPDATE texts SET piece = x'00'", "a: its text cannot be read"),
        ("UPDATE chunks SET headings = '5'", "a: its text cannot be read"),
        ("UPDATE files SET chunk_count = -1", "a: it cannot have -1 passages"),
        pytest.param(
            f"UPDATE texts SET piece = x'{BOMB.hex()}'",
            "a: its text cannot be read (it is cut off, or unpacks to",
            id="bomb",
        ),
        ("INSERT INTO words (rowid, text) VALUES (9, 'ghost')", "4 rows in words stand for 3"),
        ("DELETE FROM spaces", "no embedding space"),
    ],
)
def test_verify_names_what_does_not_fit(collection: Collection, harm: str, said: str) -> None:
    add(collection, "a", "one", "two", "three333")
    assert collection.verify() == []
    with collection._database.write() as execute:
        execute(harm)
    assert said in " ".join(collection.verify())


def test_verify_reports_a_broken_page(collection: Collection) -> None:
    add(collection, "a", *(f"paragraph {number}" for number in range(40)))
    page = collection._database.read("SELECT rootpage FROM sqlite_schema WHERE name = 'vectors_1'")[0][0]
    collection.close()
    with collection.path.open("r+b") as file:
        file.seek((page - 1) * 8192)
        file.write(b"\x55" * 4000)
    with Collection.open(collection.path) as again:
        assert again.verify()


def test_a_full_disk_keeps_the_last_state(collection: Collection) -> None:
    add(collection, "a", "before")
    pages = collection._database.read("PRAGMA page_count")[0][0]
    collection._database.read(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(DiskFull, match="no space left for the collection"):
        add(collection, "a", *(f"number {number} " * 50 for number in range(300)))
    collection._database.read("PRAGMA max_page_count = 1000000")
    assert collection.text("a") == "before"
    assert collection.verify() == []
    add(collection, "a", "after")
    assert collection.text("a") == "after"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("UPDATE texts SET piece = x'00'", "A piece of text of the collection is damaged"),
        ("DELETE FROM signs_1 WHERE file = 2", "does not have the signs of a vector for each"),
        ("UPDATE signs_1 SET signs = x'0011'", "does not have the signs of a vector for each"),
    ],
)
def test_a_search_in_what_is_damaged_says_so(collection: Collection, harm: str, said: str) -> None:
    add(collection, "a", "one", "two", "three")
    add(collection, "b", "four")
    with collection._database.write() as execute:
        execute(harm)
    with pytest.raises(StoreDamaged, match=said) as caught:
        search(collection, "one", vectors(1)[0])
    assert "add the files again" in caught.value.hint


def used(path: Path) -> None:
    """Everything that a collection is asked for."""
    with Collection.open(path) as opened:
        assert len(opened.files()) == 2
        opened.chunks_of("a")
        search(opened, "one", vectors(1)[0], filters=Filters(tags=("x",)))
        search(opened, "one", None, mode="words")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("UPDATE chunks SET headings = 'none'", "A list in the collection cannot be read"),
        ("UPDATE chunks SET headings = '5'", "A list in the collection cannot be read"),
        ("UPDATE chunks SET headings = '[5]'", "A list in the collection cannot be read"),
        ("UPDATE files SET tags = 'x'", "A list in the collection cannot be read"),
        ("UPDATE files SET notices = '[[]]'", "A list in the collection cannot be read"),
        ("UPDATE files SET chunk_count = 1000000000000", "signs of a vector for each"),
        ("UPDATE files SET first_chunk = 9223372036854775807", "a: it cannot have 3 passages from 9223372036854775807"),
        ("UPDATE files SET chunk_count = -1", "a: it cannot have -1 passages"),
        ("UPDATE spaces SET dimensions = 9223372036854775807", "vectors have 9223372036854775807 dimensions"),
        ("UPDATE spaces SET dimensions = 0", "vectors have 0 dimensions"),
        ("DELETE FROM changes", "0 counters of its changes"),
        ("DROP TABLE changes; CREATE VIEW changes AS SELECT 1 AS number", "has the view 'changes'"),
        ("CREATE TRIGGER t INSERT ON files BEGIN DELETE FROM files; END", "has the trigger 't'"),
    ],
)
def test_a_collection_from_elsewhere_is_refused_for_what_no_edgellm_wrote(
    collection: Collection, harm: str, said: str
) -> None:
    add(collection, "a", "one", "two", "three")
    add(collection, "b", "four")
    used(collection.path)
    with collection._database.write() as execute:
        execute(harm)
    collection.close()
    with pytest.raises(StoreDamaged, match=said):
        used(collection.path)
