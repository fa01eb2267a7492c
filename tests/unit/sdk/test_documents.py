"""Documents from files to evidence, on the fake model and an embedder of words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgellm.errors import CollectionNotFound, InvalidInput, ModelNotFound
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.embed import recall, rerank
from edgellm.retrieval.ground.prompt import NOT_FOUND
from edgellm.retrieval.ingest.ingest import Ingest
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.retrieval.values import Filters
from edgellm.sdk.aio import AsyncEdgeLLM
from edgellm.sdk.conversation import prepare
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.store import Store
from edgellm.types import Constraint, Sampling
from tests.unit.retrieval.fakes import WordEmbedder, parse

GREEDY = Sampling(temperature=0, max_tokens=24)
FARES = "A single ticket for the ferry costs nine crowns."


@pytest.fixture(autouse=True)
def _word_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions are embedded without a model."""
    monkeypatch.setattr(recall, "open_for", lambda _identity, **_places: WordEmbedder())


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """Two documents."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "fares.txt").write_text(FARES)
    (folder / "keeper.txt").write_text("Ruben Astley keeps the lamp of the old lighthouse.")
    return folder


@pytest.fixture
def edge(tmp_path: Path, documents: Path) -> Iterator[EdgeLLM]:
    """With the collection `ferry`."""
    with EdgeLLM("fake:", home=tmp_path / "home", settings=Settings(context_tokens=1024)) as made:
        shelf = CollectionShelf(made.home)
        with shelf.open_or_create("ferry", lambda: WordEmbedder.identity) as collection:
            Ingest(collection, WordEmbedder, lambda _event: None, parse).run([documents])
        yield made


def test_a_search_finds_by_meaning_by_words_and_within_filters(edge: EdgeLLM, documents: Path) -> None:
    ferry = edge.documents("ferry")
    (first, *_) = ferry.search("What costs a ticket?")
    assert (Path(first.file).name, first.text, first.word_rank) == ("fares.txt", FARES, 1)
    assert ferry.search("ticket", mode="words")[0].file == str(documents / "fares.txt")
    assert [Path(hit.file).name for hit in ferry.search("ticket", filters=Filters(files=("*keeper*",)))] == [
        "keeper.txt"
    ]


class Shortest:
    """A reranker that likes short passages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def rerank(self, _question: str, texts: Sequence[str]) -> list[float]:
        return [-float(len(text)) for text in texts]

    def close(self) -> None:
        """Nothing is open."""


def test_a_reranker_of_the_settings_has_the_last_word(edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerank, "Reranker", Shortest)
    with EdgeLLM("fake:", home=edge.home, settings=Settings(reranker="~/cross")) as other:
        ferry = other.documents("ferry")
        lengths = [len(hit.text) for hit in ferry.search("lamp ticket")]
        assert lengths == sorted(lengths)
        assert len(lengths) == 2
        assert ferry.modes[-1] == "reranked"
        assert ferry.search("lamp ticket", mode="fused")[0].word_rank == 1
    with pytest.raises(InvalidInput, match="name no reranker"):
        edge.documents("ferry").search("lamp", mode="reranked")
    assert "reranked" not in edge.documents("ferry").modes


def test_an_answer_carries_what_it_rests_on(edge: EdgeLLM) -> None:
    reply = edge.documents("ferry").ask("What costs a ticket for the ferry?", sampling=GREEDY)
    assert reply.evidence is not None
    assert (reply.evidence.collection, reply.evidence.is_weak) == ("ferry", False)
    assert reply.evidence.passages >= 1
    alone = edge.chat("What costs a ticket for the ferry?", sampling=GREEDY)
    assert reply.usage.prompt_tokens > alone.usage.prompt_tokens + len(FARES) / 8
    assert alone.evidence is None


def test_without_evidence_no_model_is_asked(edge: EdgeLLM) -> None:
    reply = edge.documents("ferry").ask("Zebra quantum molybdenum?", sampling=GREEDY)
    assert (reply.text, reply.usage.prompt_tokens) == (NOT_FOUND, 0)
    assert reply.evidence is not None
    assert reply.evidence.is_weak
    assert edge.reviews.list() == [], "what has no session is not kept"


def test_without_evidence_a_session_s_answer_lands_in_the_review_queue(edge: EdgeLLM) -> None:
    session = edge.sessions.create()
    reply = edge.documents("ferry").ask("Zebra quantum molybdenum?", session=session.id, sampling=GREEDY)
    [item] = edge.reviews.list()
    assert (item.reason, item.origin.id, item.context.answer) == ("weak_evidence", reply.message_id, NOT_FOUND)
    assert (item.question, item.context.collection) == ("Zebra quantum molybdenum?", "ferry")
    assert item.context.evidence is not None
    assert item.context.evidence["is_weak"] is True


def test_more_than_one_answer_from_documents_is_refused(edge: EdgeLLM) -> None:
    with pytest.raises(InvalidInput, match="n = 2") as caught:
        edge.documents("ferry").ask("What costs a ticket?", sampling=replace(GREEDY, n=2, temperature=1.0))
    assert caught.value.facts["field"] == "n"


@pytest.mark.parametrize("constraint", [Constraint(kind="json_schema", text='{"type": "object"}'), None])
def test_whether_an_answer_has_to_keep_a_form_is_noted(constraint: Constraint | None) -> None:
    def no_store() -> Store:
        raise AssertionError("opened")

    assert prepare(no_store, "What?", {"constraint": constraint}, GREEDY).is_constrained is (constraint is not None)


def test_a_session_keeps_the_question_as_asked_and_the_evidence(edge: EdgeLLM) -> None:
    session = edge.sessions.create()
    edge.chat("What costs a ticket?", session=session.id, documents="ferry", sampling=GREEDY)
    asked, answer = edge.sessions.messages(session.id)
    assert asked.content == "What costs a ticket?"
    assert answer.evidence is not None
    assert answer.evidence["collection"] == "ferry"
    again = edge.sessions.regenerate(answer.id)
    assert again.evidence is not None
    assert again.evidence.collection == "ferry"


def test_a_short_question_is_looked_up_with_the_one_before_it(edge: EdgeLLM) -> None:
    session = edge.sessions.create()
    edge.chat("What costs a ticket for the ferry?", session=session.id, documents="ferry", sampling=GREEDY)
    reply = edge.chat("Zebra?", session=session.id, documents="ferry", sampling=GREEDY)
    assert reply.evidence is not None
    assert not reply.evidence.is_weak


def test_an_unknown_collection_is_named_before_the_question_is_stored(edge: EdgeLLM) -> None:
    session = edge.sessions.create()
    with pytest.raises(CollectionNotFound, match=r"no collection 'fery'\. Did you mean 'ferry'"):
        edge.chat("What?", session=session.id, documents="fery", sampling=GREEDY)
    assert edge.sessions.messages(session.id) == []


@pytest.mark.parametrize("what", ["embedder", "reranker"])
def test_what_a_question_needs_is_open_before_the_question_is_stored(
    edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ModelNotFound("It is not there.", name=what)

    monkeypatch.setattr(recall, "open_for", refuse if what == "embedder" else lambda *_, **__: WordEmbedder())
    monkeypatch.setattr(rerank, "Reranker", refuse)
    with EdgeLLM("fake:", home=edge.home, settings=Settings(reranker="~/cross")) as other:
        session = other.sessions.create()
        with pytest.raises(ModelNotFound):
            other.chat("What?", session=session.id, documents="ferry", sampling=GREEDY)
        assert other.sessions.messages(session.id) == []


def test_no_reranker_is_started_for_a_collection_that_does_not_exist(
    edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_folder: Path) -> None:
        raise AssertionError("started")

    monkeypatch.setattr(rerank, "Reranker", refuse)
    with (
        EdgeLLM("fake:", home=edge.home, settings=Settings(reranker="~/cross")) as other,
        pytest.raises(CollectionNotFound),
    ):
        other.documents("fery").search("lamp", mode="reranked")


def added(edge: EdgeLLM, *paths: Path) -> None:
    """Read into `ferry` at once, as its job would."""
    with CollectionShelf(edge.home).open("ferry") as collection:
        Ingest(collection, WordEmbedder, lambda _event: None, parse).run(paths)


def roots(edge: EdgeLLM) -> list[str]:
    with CollectionShelf(edge.home).open("ferry") as collection:
        return collection.roots()


def test_a_sync_goes_on_without_a_file_that_was_added_and_is_gone(edge: EdgeLLM, tmp_path: Path) -> None:
    alone = tmp_path / "alone.txt"
    alone.write_text("Dogs pay one crown.")
    added(edge, alone)
    alone.unlink()
    job = edge.documents("ferry").sync()
    edge.jobs.cancel(job.id)
    with CollectionShelf(edge.home).open("ferry") as collection:
        reader = Ingest(collection, WordEmbedder, lambda _event: None, parse)
        assert reader.run([Path(root) for root in collection.roots()], sync=True).removed == 1
        assert str(alone) not in collection.roots()


def test_a_folder_that_is_gone_is_named_with_what_takes_it_out(edge: EdgeLLM, tmp_path: Path) -> None:
    folder = tmp_path / "more docs"
    folder.mkdir()
    (folder / "dogs.txt").write_text("Dogs pay one crown.")
    added(edge, folder, folder / "dogs.txt")
    shutil.rmtree(folder)
    ferry = edge.documents("ferry")
    with pytest.raises(InvalidInput, match="more docs' any more") as caught:
        ferry.sync()
    assert caught.value.hint == f"Put it back, or take it out: edgellm docs remove '{folder}' -c ferry"
    assert ferry.remove([str(folder)]) == 1
    assert roots(edge) == [str(tmp_path / "docs")]
    assert len(ferry.files()) == 2


@pytest.mark.parametrize("name", ["../ferry", "a/b", "", "a\x1b[2J"])
def test_a_name_that_could_be_a_path_is_refused(edge: EdgeLLM, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be a collection's name"):
        edge.documents(name).search("What?")


def test_files_pages_and_their_removal(edge: EdgeLLM, documents: Path) -> None:
    ferry = edge.documents("ferry")
    assert [(Path(file.name).name, file.chunks, file.reason) for file in ferry.files()] == [
        ("fares.txt", 1, ""),
        ("keeper.txt", 1, ""),
    ]
    hit = ferry.search("ticket", mode="words")[0]
    place = ferry.page(hit.file, hit.start, hit.end)
    assert place.text[place.start : place.end] == FARES
    with pytest.raises(InvalidInput, match="has no passage"):
        ferry.page(hit.file, 10_000, 10_010)
    assert ferry.verify() == []
    assert ferry.remove([str(documents / "fares.txt"), "nothing"]) == 1
    assert [Path(file.name).name for file in ferry.files()] == ["keeper.txt"]


def test_the_list_counts_and_a_removed_collection_is_gone(edge: EdgeLLM) -> None:
    (info,) = edge.collections.list()
    assert (info.name, info.files, info.failed, info.chunks, info.embedder) == ("ferry", 2, 0, 2, "words")
    edge.documents("ferry").search("ticket")
    edge.collections.remove("ferry")
    assert edge.collections.list() == []
    with pytest.raises(CollectionNotFound):
        edge.documents("ferry").search("ticket")


def test_a_collection_that_was_replaced_is_opened_again(edge: EdgeLLM) -> None:
    ferry = edge.documents("ferry")
    ferry.search("ticket")
    path = CollectionShelf(edge.home).path("ferry")
    path.unlink()
    with Collection.create(path, WordEmbedder.identity):
        assert ferry.files() == []


def test_paths_and_tags_are_checked_before_there_is_a_job(edge: EdgeLLM, documents: Path) -> None:
    with pytest.raises(InvalidInput, match="no file or folder"):
        edge.documents("ferry").add([documents / "nothing"])
    with pytest.raises(InvalidInput, match="no file or folder"):
        edge.documents("ferry").add([documents / ("x" * 5000)])
    with pytest.raises(InvalidInput, match="cannot be a tag"):
        edge.documents("ferry").add([documents], tags=["\x1b[2J"])
    assert edge.jobs.list() == []


def test_ways_of_searching_are_measured(edge: EdgeLLM, tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"question": "What costs a ticket?", "file": "fares.txt"}\n')
    found = edge.documents("ferry").evaluate(questions)
    assert [(each.way, each.quality.recall) for each in found] == [("vector", 1.0), ("words", 1.0), ("fused", 1.0)]


async def test_the_awaitable_twin_asks_and_searches(edge: EdgeLLM) -> None:
    async with AsyncEdgeLLM("fake:", home=edge.home, settings=Settings(context_tokens=1024)) as twin:
        ferry = twin.documents("ferry")
        assert len(await ferry.search("ticket")) == 2
        reply = await ferry.ask("What costs a ticket?", sampling=GREEDY)
        assert reply.evidence is not None
        stream = await ferry.ask("What costs a ticket?", sampling=GREEDY, stream=True)
        async with stream:
            events: list[Any] = [event async for event in stream]
        assert events
        assert stream.reply.text == reply.text
        assert [info.name for info in await twin.collections.list()] == ["ferry"]
