"""A collection gives back what was put in, replaces files whole, and refuses what cannot be searched."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import InvalidInput, NotFound, StoreBusy, StoreError
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.collection import collection as module
from edgellm.retrieval.collection.texts import PIECE_CHARACTERS, pieces
from edgellm.retrieval.search import search
from edgellm.retrieval.values import Chunk, Document
from tests.unit.retrieval.library import DIMENSIONS, IDENTITY, OTHER, add, chunks, content, document, source, vectors

TEXT = ("The lamp was lit in 1869.", "Its keeper was Ann Brodie.", "Supplies came by the cutter Speedwell.")


def counts(collection: Collection) -> dict[str, int]:
    """Rows of every table that belongs to files."""
    tables = ("files", "texts", "chunks", "words_docsize", "vectors_1", "signs_1")
    return {table: collection._database.read(f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def test_what_was_put_comes_back(collection: Collection) -> None:
    whole = Document(
        kind="pdf",
        text="\n\n".join(TEXT),
        blocks=(),
        title="Log",
        pages=3,
        written="2025-02-03",
        notices=("page 3: picture",),
    )
    found = chunks(whole, page=2, headings=("Part", "Lamp"))
    file = source("/docs/log.pdf", tags=("sea", "lamp", "sea"))
    collection.put(file, whole, found, vectors(3))
    stored = collection.files()[0]
    assert stored.file == replace(file, tags=("lamp", "sea"))
    assert (stored.status, stored.reason, stored.kind, stored.title) == ("ready", None, "pdf", "Log")
    assert (stored.pages, stored.written, stored.notices) == (3, "2025-02-03", ("page 3: picture",))
    assert (stored.characters, stored.chunks) == (len(whole.text), 3)
    assert collection.text("/docs/log.pdf") == whole.text
    kept = collection.chunks_of("/docs/log.pdf")
    assert [one.chunk for one in kept] == found
    assert [one.id for one in kept] == [1, 2, 3]
    assert collection.chunk(2) == kept[1]
    assert kept[1].file == "/docs/log.pdf"
    assert collection.verify() == []


@given(st.text(st.characters(exclude_categories=()), max_size=200), st.integers(0, 3 * PIECE_CHARACTERS))
def test_texts_come_back_at_any_place(tmp_path_factory: pytest.TempPathFactory, text: str, length: int) -> None:
    padding = ("lamp " * PIECE_CHARACTERS)[:length]
    whole = Document(kind="text", text=padding + text + "x", blocks=())
    found = Chunk(text=text + "x", start=length, end=length + len(text) + 1)
    with Collection.create(tmp_path_factory.mktemp("c") / "c.sqlite", IDENTITY) as made:
        made.put(source("a"), whole, [found], vectors(1))
        readable = text.encode("utf-8", "replace").decode() + "x"
        assert made.text("a") == padding + readable
        assert made.chunk(1).chunk.text == readable
        assert made.remove(["a"]) == 1
        assert made.verify() == []


def test_texts_are_compressed() -> None:
    text = "The lamp of the light-house was lit in 1869. " * 2000
    assert sum(len(piece) for _, piece in pieces(text)) < len(text) / 10


def test_a_replaced_file_leaves_nothing_behind(collection: Collection) -> None:
    add(collection, "a", *TEXT)
    add(collection, "b", *TEXT[:1])
    before = [one.id for one in collection.chunks_of("a")]
    add(collection, "a", "Entirely different.", "And short.", seed=5)
    assert counts(collection) == {"files": 2, "texts": 2, "chunks": 3, "words_docsize": 3, "vectors_1": 3, "signs_1": 2}
    assert collection.text("a") == "Entirely different.\n\nAnd short."
    assert not set(before) & {one.id for one in collection.chunks_of("a")}
    assert not search(collection, "Speedwell", None, mode="words")
    with pytest.raises(NotFound, match=f"no passage {before[0]}"):
        collection.chunk(before[0])
    assert collection.verify() == []


def test_removed_words_leave_the_file(collection: Collection) -> None:
    add(collection, "a", "The password is xyzzyplughfrotz.")
    add(collection, "b", *TEXT)
    assert collection.remove(["a", "nowhere"]) == 1
    collection.close()
    for data in content(collection.path).values():
        assert b"plughfrotz" not in data


def test_the_last_ids_are_not_used_again(collection: Collection) -> None:
    add(collection, "a", *TEXT)
    collection.remove(["a"])
    add(collection, "b", *TEXT)
    assert [one.id for one in collection.chunks_of("b")] == [4, 5, 6]


def test_a_failed_file_takes_the_place_of_what_was_read(collection: Collection) -> None:
    add(collection, "a", *TEXT)
    collection.put_failed(source("a", tags=("x",)), "it is encrypted")
    stored = collection.files()[0]
    assert (stored.status, stored.reason, stored.chunks, stored.kind) == ("failed", "it is encrypted", 0, None)
    assert collection.text("a") == ""
    assert collection.chunks_of("a") == []
    assert counts(collection) == {"files": 1, "texts": 0, "chunks": 0, "words_docsize": 0, "vectors_1": 0, "signs_1": 0}
    assert collection.verify() == []


def test_a_file_without_text_is_ready(collection: Collection) -> None:
    collection.put(source("empty"), document(), [], np.zeros((0, DIMENSIONS), np.float32))
    assert [(stored.status, stored.chunks) for stored in collection.files()] == [("ready", 0)]
    assert search(collection, "lamp", vectors(1)[0]) == []
    assert collection.verify() == []


def test_time_and_tags_change_without_embedding_again(collection: Collection) -> None:
    add(collection, "a", *TEXT)
    newer = source("a", tags=("new",), modified=1_800_000_000.0)
    collection.update([newer])
    assert collection.files()[0].file == newer
    with pytest.raises(InvalidInput, match="has changed"):
        collection.update([source("a", sha256="d" * 64)])
    with pytest.raises(NotFound, match="no file 'b'"):
        collection.update([source("b")])


@pytest.mark.parametrize("written", ["2025-02-03T10:00:00Z", "someday", None])
def test_days_that_are_none_fall_back_to_the_file(collection: Collection, written: str | None) -> None:
    collection.put(source("a"), document("x", written=written), chunks(document("x")), vectors(1))
    day = collection._database.read("SELECT day FROM files")[0][0]
    assert day == ("2025-02-03" if written and written[0] == "2" else "2023-11-14")


def broken(kind: str) -> np.ndarray:
    good = vectors(3)
    if kind == "NaN":
        good[1, 5] = np.nan
    elif kind == "infinite":
        good[2, 0] = -np.inf
    elif kind == "long":
        good[1] *= 1.01
    elif kind == "zero":
        good[1] = 0
    elif kind == "wide":
        good = vectors(3, dimensions=DIMENSIONS + 1)
    elif kind == "few":
        good = good[:2]
    else:
        good = good[0]
    return good


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("NaN", "number 1 holds NaN"),
        ("infinite", "number 2 holds NaN or infinity"),
        ("long", "number 1 has length 1.01"),
        ("zero", "number 1 has length 0"),
        ("wide", "shape (3, 65); 3 passages of 64"),
        ("few", "shape (2, 64); 3 passages"),
        ("flat", "shape (64,)"),
    ],
)
def test_vectors_that_cannot_be_compared_are_refused_before_anything_is_written(
    collection: Collection, kind: str, said: str
) -> None:
    add(collection, "a", *TEXT)
    whole, before = document(*TEXT), content(collection.path)
    with pytest.raises(InvalidInput) as caught:
        collection.put(source("a"), whole, chunks(whole), broken(kind))
    assert said in caught.value.message
    assert content(collection.path) == before


@pytest.mark.parametrize(("start", "end"), [(0, 9), (5, 5), (-1, 3), (90, 200)])
def test_passages_that_are_not_the_text_are_refused(collection: Collection, start: int, end: int) -> None:
    with pytest.raises(InvalidInput, match="Passage 0"):
        collection.put(source("a"), document(*TEXT), [Chunk(text="The lamp", start=start, end=end)], vectors(1))
    assert collection.files() == []


def test_another_embedder_is_refused_by_name(collection: Collection) -> None:
    collection.close()
    with pytest.raises(InvalidInput) as caught:
        Collection.open(collection.path, OTHER)
    assert "'invented' (aaaaaaaaaaaa, 64 dimensions)" in caught.value.message
    assert "'another' (bbbbbbbbbbbb, 96 dimensions, prefix 'query: ')" in caught.value.message
    assert caught.value.facts["field"] == "embedder"


def test_the_weights_count_and_not_their_name(collection: Collection) -> None:
    with Collection.open(collection.path, replace(IDENTITY, name="renamed")) as again:
        assert again.identity == IDENTITY


def test_a_collection_is_made_once(collection: Collection) -> None:
    add(collection, "a", *TEXT)
    with pytest.raises(InvalidInput, match="There is a collection"):
        Collection.create(collection.path, IDENTITY)
    assert len(collection.files()) == 1


def test_unknown_names_are_not_found(collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no collection"):
        Collection.open(tmp_path / "none.sqlite")
    assert not (tmp_path / "none.sqlite").exists()
    for look in (collection.text, collection.chunks_of):
        with pytest.raises(NotFound, match="no file 'ghost'"):
            look("ghost")
    with pytest.raises(NotFound, match="no passage 7"):
        collection.chunk(7)


def test_a_copied_file_opens_elsewhere(collection: Collection, tmp_path: Path) -> None:
    add(collection, "a", *TEXT)
    collection.close()
    assert [file.name for file in collection.path.parent.iterdir()] == ["notes.sqlite"]
    copy = tmp_path / "elsewhere.sqlite"
    shutil.copyfile(collection.path, copy)
    with Collection.open(copy, IDENTITY) as other:
        assert other.text("a") == "\n\n".join(TEXT)
        assert search(other, "Speedwell", vectors(3)[2])[0].chunk_id == 3
        assert other.verify() == []


def test_a_closed_collection_says_so(collection: Collection) -> None:
    collection.close()
    collection.close()
    with pytest.raises(StoreError, match=r"The collection .* is closed"):
        collection.files()


def test_names_and_headings_that_are_no_unicode_are_kept_readable(collection: Collection) -> None:
    whole = document("text")
    collection.put(source("bad\udcff.txt"), whole, chunks(whole, headings=("head\ud800",)), vectors(1))
    assert collection.files()[0].file.name == "bad?.txt"
    assert collection.chunks_of("bad\udcff.txt")[0].chunk.headings == ("head?",)
    assert collection.remove(["bad\udcff.txt"]) == 1
    assert collection.verify() == []


def test_two_threads_put_at_once(collection: Collection) -> None:
    def fill(side: int) -> None:
        for number in range(10):
            add(collection, f"{side}-{number}", *TEXT, seed=number)
            add(collection, "shared", *TEXT[:side], seed=number)

    threads = [threading.Thread(target=fill, args=(side,)) for side in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(collection.files()) == 21
    assert collection.verify() == []


def test_a_writer_that_holds_the_file_too_long_is_named(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_TIMEOUT_S", 0.05)
    with Collection.open(collection.path) as second, collection._database.write():
        with pytest.raises(StoreBusy, match="Another process keeps the collection"):
            add(second, "a", *TEXT)
        assert second.files() == []  # readers never wait


def test_a_file_that_was_added_by_itself_and_removed_is_not_looked_for_again(collection: Collection) -> None:
    collection.add_roots(["/docs", "/other/a.md"])
    add(collection, "/other/a.md", *TEXT)
    assert collection.remove(["/other/a.md", "/docs/b.md"]) == 1
    assert collection.roots() == ["/docs"]


def test_a_piece_that_is_full_of_the_longest_characters_comes_back(collection: Collection) -> None:
    whole = document("\U0001f526" * (2 * PIECE_CHARACTERS))
    collection.put(source("a"), whole, chunks(whole), vectors(1))
    assert collection.text("a") == whole.text
