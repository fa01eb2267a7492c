"""A run over files: what is written, what is left alone, and what a killed one leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgellm.errors import EngineError, InvalidInput, ParseFailed
from edgellm.events import JobEvent, Progressed, Started
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.embed.embedder import OnDone, TextEmbedder, nothing, unit_rows
from edgellm.retrieval.ingest.ingest import NO_VECTOR, Ingest, Ingested
from edgellm.retrieval.values import Document, SourceFile
from tests.unit.retrieval.fakes import WordEmbedder, parse


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three documents, one of them damaged."""
    root = tmp_path / "docs"
    root.mkdir()
    (root / "fares.txt").write_text("A ticket costs nine crowns.")
    (root / "keeper.txt").write_text("Ruben Astley keeps the lamp.")
    (root / "broken.txt").write_text("damaged")
    return root


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.create(tmp_path / "c.sqlite", WordEmbedder.identity) as opened:
        yield opened


class Run:
    """Ingest with everything it says kept."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.embedder = WordEmbedder()
        self.events: list[JobEvent] = []

    def __call__(self, *paths: Path, sync: bool = False, tags: tuple[str, ...] = ()) -> Ingested:
        return Ingest(self.collection, lambda: self.embedder, self.events.append, parse).run(
            list(paths), sync=sync, tags=tags
        )

    def names(self) -> list[str]:
        """Files that can be searched."""
        return [Path(each.file.name).name for each in self.collection.files() if each.status == "ready"]


def test_a_bad_file_fails_alone_with_its_reason(collection: Collection, folder: Path) -> None:
    run = Run(collection)
    found = run(folder)
    assert (found.added, found.changed, found.chunks) == (2, 0, 2)
    assert found.failed == [(str(folder / "broken.txt"), "it is damaged")]
    assert run.names() == ["fares.txt", "keeper.txt"]
    assert run.embedder.calls == [2]  # small files share a call


def test_progress_names_the_file_and_ends_at_the_total(collection: Collection, folder: Path) -> None:
    run = Run(collection)
    run(folder)
    assert [each.title for each in run.events if isinstance(each, Started)] == ["Looking at files", "Reading 3 files"]
    progress = [each for each in run.events if isinstance(each, Progressed)]
    assert (progress[-1].done, progress[-1].total) == (3, 3)
    notes = [each.note for each in progress]
    assert "keeper.txt: 1 of 1 passages" in notes


def test_a_file_is_named_before_it_is_read(collection: Collection, folder: Path) -> None:
    run, said = Run(collection), list[str]()

    def asking(names: Sequence[str]) -> Iterator[Document | ParseFailed]:
        for name in names:
            said.append(run.events[-1].note if isinstance(run.events[-1], Progressed) else "")
            yield from parse([name])

    Ingest(collection, WordEmbedder, run.events.append, asking).run([folder])
    assert said == ["broken.txt", "fares.txt", "keeper.txt"]


def test_a_second_run_reads_nothing(collection: Collection, folder: Path) -> None:
    run = Run(collection)
    run(folder)
    run.embedder.calls.clear()
    found = run(folder)
    assert (found.added, found.unchanged, found.failed, run.embedder.calls) == (0, 3, [], [])


def test_a_changed_file_is_replaced_and_a_removed_one_stays_until_it_is_synced(
    collection: Collection, folder: Path
) -> None:
    run = Run(collection)
    run(folder)
    (folder / "fares.txt").write_text("A ticket costs ten crowns since May.")
    (folder / "keeper.txt").unlink()
    found = run(folder)
    assert (found.changed, found.removed, run.names()) == (1, 0, ["fares.txt", "keeper.txt"])
    assert collection.text(str(folder / "fares.txt")) == "A ticket costs ten crowns since May."
    assert run(folder, sync=True).removed == 1
    assert run.names() == ["fares.txt"]


def test_a_folder_that_lost_all_its_files_is_not_synced(collection: Collection, folder: Path) -> None:
    run = Run(collection)
    run(folder)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(InvalidInput, match=r"docs' is empty; the collection has 3 files of it") as caught:
        run(folder, sync=True)
    assert "edgellm docs remove" in str(caught.value.hint)
    assert run.names() == ["fares.txt", "keeper.txt"]
    assert run(folder).removed == 0


def test_files_with_new_dates_are_written_together(
    collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, calls, update = Run(collection), list[int](), collection.update
    run(folder)
    for path in folder.iterdir():
        os.utime(path, (1, 1))

    def counted(files: Sequence[SourceFile]) -> None:
        calls.append(len(files))
        update(files)

    monkeypatch.setattr(collection, "update", counted)
    assert run(folder).unchanged == 3
    assert calls == [3]
    assert {each.file.modified for each in collection.files()} == {1.0}


def test_what_was_added_is_remembered(collection: Collection, folder: Path) -> None:
    run = Run(collection)
    run(folder)
    run(folder / "fares.txt")
    run(folder)
    assert collection.roots() == [str(folder), str(folder / "fares.txt")]


def test_tags_reach_files_that_are_there_already(collection: Collection, folder: Path) -> None:
    run = Run(collection)
    run(folder)
    run(folder, tags=("harbour",))
    assert {each.file.tags for each in collection.files()} == {("harbour",)}


def test_without_anything_to_read_no_embedder_is_opened(collection: Collection, folder: Path) -> None:
    def refusing() -> TextEmbedder:
        raise AssertionError("opened")

    for path in folder.iterdir():
        path.unlink()
    assert Ingest(collection, refusing, lambda _event: None, parse).run([folder]).added == 0


def test_a_file_without_text_says_so(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n ")
    assert Run(collection)(tmp_path / "empty.txt").failed == [(str(tmp_path / "empty.txt"), "it holds no text")]


def test_an_embedder_that_fails_loses_nothing_that_was_written(collection: Collection, folder: Path) -> None:
    class Failing(WordEmbedder):
        def embed_passages(self, *_: object) -> object:  # type: ignore[override]
            raise EngineError("The worker died.")

    Run(collection)(folder / "fares.txt")
    with pytest.raises(EngineError):
        Ingest(collection, Failing, lambda _event: None, parse).run([folder])  # type: ignore[arg-type]
    run = Run(collection)
    assert run.names() == ["fares.txt"]
    assert run(folder).added == 1  # and the next run goes on


def test_a_file_whose_vectors_are_no_numbers_fails_alone(collection: Collection, folder: Path) -> None:
    class Overflowing(WordEmbedder):
        def embed_passages(self, texts: Sequence[str], on_done: OnDone = nothing) -> NDArray[np.float32]:
            vectors = super().embed_passages(texts, on_done)
            vectors[[at for at, text in enumerate(texts) if "Ruben" in text]] = np.nan
            return unit_rows(vectors)

    found = Ingest(collection, Overflowing, lambda _event: None, parse).run([folder])
    assert found.added == 1
    assert (str(folder / "keeper.txt"), NO_VECTOR) in found.failed
    run = Run(collection)
    assert run.names() == ["fares.txt"]
    assert run(folder).changed == 1  # and a sound embedder reads it
    assert run.names() == ["fares.txt", "keeper.txt"]


def test_files_with_many_passages_are_written_as_soon_as_they_are_embedded(
    collection: Collection, tmp_path: Path
) -> None:
    folder = tmp_path / "long"
    folder.mkdir()
    for number in range(3):
        lines = "\n\n".join(f"Paragraph {number} {line} " + "word " * 45 for line in range(200))
        (folder / f"{number}.txt").write_text(lines)
    run = Run(collection)
    found = run(folder)
    assert len(run.embedder.calls) == 2
    assert sum(run.embedder.calls) == found.chunks >= 600


class Short(WordEmbedder):
    """Reads twelve words of a text, and makes a prefix one of them."""

    identity = replace(WordEmbedder.identity, max_tokens=12, passage_prefix="passage: ")


def test_a_passage_leaves_room_for_what_stands_around_it(collection: Collection, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("word " * 400)
    Ingest(collection, Short, lambda _event: None, parse).run([path])
    lengths = {each.chunk.tokens for each in collection.chunks_of(str(path))}
    assert max(lengths) <= 12 - len(("CLS", "SEP", "passage:"))


def test_a_file_that_failed_of_what_may_pass_is_read_by_the_next_run(collection: Collection, folder: Path) -> None:
    def without_reader(names: Sequence[str]) -> Iterator[ParseFailed]:
        for name in names:
            yield ParseFailed(f"{name} cannot be read.", path=name, reason="reading it needs pypdf", may_pass=True)

    path = folder / "fares.txt"
    first = Ingest(collection, WordEmbedder, lambda _event: None, without_reader).run([path], tags=("x",))
    assert first.failed == [(str(path), "reading it needs pypdf")]
    run = Run(collection)
    waiting = Ingest(collection, WordEmbedder, lambda _event: None, parse).run([path], retries=False)
    assert (waiting.unchanged, run.names()) == (1, [])
    assert (run(path).changed, run.names()) == (1, ["fares.txt"])
    assert collection.files()[0].file.tags == ("x",)
    assert run(path).unchanged == 1


def test_a_file_that_failed_of_its_content_waits_for_a_change(collection: Collection, folder: Path) -> None:
    run = Run(collection)
    run(folder / "broken.txt")
    assert run(folder / "broken.txt").unchanged == 1
