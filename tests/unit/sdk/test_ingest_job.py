"""Jobs over a collection: watching, two at once, embedding again while files come and go."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgellm.errors import CollectionNotFound, InvalidInput
from edgellm.events import JobEvent, Progressed, Started
from edgellm.paths import Home, home_from
from edgellm.retrieval.collection import Collection, Reembedding
from edgellm.retrieval.embed.embedder import OnDone, TextEmbedder, nothing
from edgellm.retrieval.search import search
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.retrieval.values import EmbedderIdentity
from edgellm.sdk import ingest_job
from edgellm.sdk.ingest_job import ingest, reindex
from edgellm.sdk.ingest_request import IngestRequest
from edgellm.sdk.work import CancelRequested, Work
from tests.unit.retrieval.fakes import WordEmbedder

FARES, KEEPER, NEW = "A ticket costs nine crowns.", "Ruben Astley keeps the lamp.", "Dogs pay one crown."


class Mirrored(WordEmbedder):
    """Another space of the same size: every direction is turned round."""

    identity = replace(WordEmbedder.identity, name="mirrored", sha256="1" * 64)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """See TextEmbedder."""
        return -super().embed_query(text)


@pytest.fixture(autouse=True)
def _embedders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a model."""
    made: dict[EmbedderIdentity, type[WordEmbedder]] = {each.identity: each for each in (WordEmbedder, Mirrored)}
    monkeypatch.setattr(ingest_job, "open_for", lambda identity, **_places: made[identity]())
    monkeypatch.setattr(ingest_job, "open_embedder", lambda _name, **_places: WordEmbedder())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_from({"EDGELLM_HOME": str(tmp_path / "home")})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two documents."""
    root = tmp_path / "docs"
    root.mkdir()
    (root / "a.txt").write_text(FARES)
    (root / "b.txt").write_text(KEEPER)
    return root


class Job:
    """What a job is given, and what it says."""

    def __init__(self, home: Home, **arguments: Any) -> None:
        self.events: list[JobEvent] = []
        self.work = Work(home=home, folder=home.data, arguments=arguments, emit=self.events.append)


def watching(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> None:
    """Between two looks one step happens; after the last one the watch is cancelled."""
    waiting = iter(steps)

    def sleep(_seconds: float) -> None:
        step = next(waiting, None)
        if step is None:
            raise CancelRequested
        step()

    monkeypatch.setattr(ingest_job, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))


def embed_again(home: Home, embedder: TextEmbedder) -> None:
    with CollectionShelf(home).open("c") as collection:
        again = collection.reembed(embedder.identity)
        for name in again.pending():
            stored = collection.chunks_of(name)
            again.put(stored, embedder.embed_passages([each.chunk.embedded_text for each in stored]))
        again.finish()


def test_a_watch_follows_a_collection_into_another_embedders_space(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change() -> None:
        embed_again(home, Mirrored())
        (folder / "new.txt").write_text(NEW)

    watching(monkeypatch, change)
    with pytest.raises(CancelRequested):
        ingest(Job(home, collection="c", paths=[str(folder)], watch=True).work)
    with CollectionShelf(home).open("c") as collection:
        (hit, *_) = search(collection, "", Mirrored().embed_query(NEW), mode="vector")
        assert Path(hit.file).name == "new.txt"
        assert hit.similarity == pytest.approx(1, abs=1e-5)


def test_a_collection_that_is_removed_while_it_is_watched_does_not_come_back(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching(monkeypatch, lambda: CollectionShelf(home).remove("c"))
    with pytest.raises(CollectionNotFound):
        ingest(Job(home, collection="c", paths=[str(folder)], watch=True).work)
    assert CollectionShelf(home).names() == []


def test_a_watch_that_finds_nothing_says_nothing(home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(home, collection="c", paths=[str(folder)], watch=True)
    said: list[int] = []

    def count() -> None:
        said.append(len(job.events))

    def change() -> None:
        (folder / "b.txt").unlink()

    watching(monkeypatch, count, count, change, count)
    with pytest.raises(CancelRequested):
        ingest(job.work)
    assert said[0] == said[1]
    assert [event.note for event in job.events[said[1] :] if isinstance(event, Progressed)] == ["Watching for changes"]
    with CollectionShelf(home).open("c") as collection:
        assert [Path(each.file.name).name for each in collection.files()] == ["a.txt"]


def nothing_happens() -> None:
    """Between two looks."""


def test_a_look_that_finds_nothing_leaves_the_collection_closed(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, open_again = list[str](), CollectionShelf.open

    def counted(shelf: CollectionShelf, name: str) -> Collection:
        opened.append(name)
        return open_again(shelf, name)

    def change() -> None:
        assert opened == []
        (folder / "new.txt").write_text(NEW)

    monkeypatch.setattr(CollectionShelf, "open", counted)
    watching(monkeypatch, nothing_happens, nothing_happens, change, nothing_happens)
    with pytest.raises(CancelRequested):
        ingest(Job(home, collection="c", paths=[str(folder)], tags=["x"], watch=True).work)
    assert opened == ["c"]


def test_a_watch_sees_what_somebody_else_changes_in_the_collection(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove() -> None:
        time.sleep(0.05)  # a file's time may be no finer than some milliseconds
        with CollectionShelf(home).open("c") as other:
            other.remove([str(folder / "a.txt")])

    watching(monkeypatch, remove)
    with pytest.raises(CancelRequested):
        ingest(Job(home, collection="c", paths=[str(folder)], watch=True).work)
    with CollectionShelf(home).open("c") as collection:
        assert [Path(each.file.name).name for each in collection.files()] == ["a.txt", "b.txt"]


def test_the_longer_a_look_takes_the_longer_is_the_pause(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise CancelRequested

    seconds = itertools.count()
    monkeypatch.setattr(ingest_job, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: next(seconds)))
    with pytest.raises(CancelRequested):
        ingest(Job(home, collection="c", paths=[str(folder)], watch=True).work)
    assert pauses == [2, 9]


def test_two_runs_over_one_folder_do_its_work_once(home: Home, folder: Path) -> None:
    jobs = [Job(home, collection="c", paths=[str(folder)]) for _ in range(2)]
    results: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda job=job: results.append(ingest(job.work))) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((each["added"], each["unchanged"]) for each in results) == [(0, 2), (2, 0)]
    with CollectionShelf(home).open("c") as collection:
        assert len(collection.files()) == 2
        assert collection.verify() == []


def test_a_file_that_is_removed_while_all_are_embedded_again_is_passed_over(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(Job(home, collection="c", paths=[str(folder)]).work)

    class Removing(Mirrored):
        def embed_passages(self, texts: Sequence[str], on_done: OnDone = nothing) -> NDArray[np.float32]:
            with CollectionShelf(home).open("c") as collection:
                collection.remove([str(folder / "b.txt")])
            return super().embed_passages(texts, on_done)

    monkeypatch.setattr(ingest_job, "open_embedder", lambda _name, **_places: Removing())
    job = Job(home, collection="c", embedder="other")
    assert reindex(job.work)["chunks"] == 1
    assert [event.title for event in job.events if isinstance(event, Started)] == ["Embedding 2 files again"]
    with CollectionShelf(home).open("c") as collection:
        assert collection.identity == Mirrored.identity
        assert collection.verify() == []


def test_a_file_that_comes_when_all_are_embedded_again_is_embedded_too(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(Job(home, collection="c", paths=[str(folder)]).work)
    new = folder / "new.txt"

    class Adding(Mirrored):
        def embed_passages(self, texts: Sequence[str], on_done: OnDone = nothing) -> NDArray[np.float32]:
            if not new.exists():
                new.write_text(NEW)
                ingest(Job(home, collection="c", paths=[str(new)]).work)
            return super().embed_passages(texts, on_done)

    monkeypatch.setattr(ingest_job, "open_embedder", lambda _name, **_places: Adding())
    assert reindex(Job(home, collection="c", embedder="other").work)["chunks"] == 3
    with CollectionShelf(home).open("c") as collection:
        assert collection.identity == Mirrored.identity
        assert collection.verify() == []


def test_new_vectors_take_their_place_when_no_file_is_being_read(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(Job(home, collection="c", paths=[str(folder)]).work)
    finished, finish = threading.Event(), Reembedding.finish

    def noted(again: Reembedding) -> list[str]:
        finished.set()
        return finish(again)

    monkeypatch.setattr(Reembedding, "finish", noted)
    monkeypatch.setattr(ingest_job, "open_embedder", lambda _name, **_places: Mirrored())
    job, waits = Job(home, collection="c", embedder="other"), "Waiting for another run over this collection"
    thread = threading.Thread(target=lambda: reindex(job.work))
    with CollectionShelf(home).locked("c"):
        thread.start()
        deadline = time.monotonic() + 60
        while waits not in [event.title for event in job.events if isinstance(event, Started)]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not finished.is_set()
    thread.join()
    assert finished.is_set()
    with CollectionShelf(home).open("c") as collection:
        assert collection.identity == Mirrored.identity


def test_a_collection_that_is_removed_while_it_is_embedded_again_is_told(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(Job(home, collection="c", paths=[str(folder)]).work)

    class Removing(Mirrored):
        def embed_passages(self, texts: Sequence[str], on_done: OnDone = nothing) -> NDArray[np.float32]:
            CollectionShelf(home).path("c").unlink(missing_ok=True)
            return super().embed_passages(texts, on_done)

    monkeypatch.setattr(ingest_job, "open_embedder", lambda _name, **_places: Removing())
    with pytest.raises(CollectionNotFound):
        reindex(Job(home, collection="c", embedder="other").work)


def test_passages_that_the_new_embedder_does_not_read_to_their_end_are_counted(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short(Mirrored):
        identity = replace(Mirrored.identity, max_tokens=7)

    (folder / "b.txt").write_text("One two three four five six.")
    ingest(Job(home, collection="c", paths=[str(folder)]).work)
    monkeypatch.setattr(ingest_job, "open_embedder", lambda _name, **_places: Short())
    found = reindex(Job(home, collection="c", embedder="other").work)
    assert (found["chunks"], found["cut"]) == (2, 1)  # five words and six


def test_what_a_job_did_is_summed_up(home: Home, folder: Path) -> None:
    (folder / "empty.txt").touch()
    found = ingest(Job(home, collection="c", paths=[str(folder)], tags=["x"]).work)
    assert (found["collection"], found["added"], found["chunks"]) == ("c", 2, 2)
    assert found["failed"] == [{"file": str(folder / "empty.txt"), "reason": "the file is empty"}]
    assert found["chunks_per_s"] > 0


@pytest.mark.parametrize("name", ["../c", "a/b", ""])
def test_a_name_that_no_collection_can_have_is_refused_before_there_is_a_job(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be a collection's name"):
        IngestRequest(collection=name, paths=("/x",)).check()
