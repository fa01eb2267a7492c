"""`edgellm docs`: what is asked of the SDK, and what is shown of what it finds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgellm.cli import docs_ask
from edgellm.cli.diagnostics import Code
from edgellm.events import Finished, Progressed, Started
from edgellm.retrieval.embed import recall
from edgellm.retrieval.ingest.ingest import Ingest
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.sdk.documents import Collections, Documents
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.store import StoredJob
from edgellm.types import Choice, Citation, Evidence, FinishReason, Reply, Sampling, Timings, Usage
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge, FakeJobs
from tests.unit.retrieval.fakes import WordEmbedder, parse

RESULT: dict[str, Any] = {
    "collection": "ferry", "added": 2, "changed": 0, "unchanged": 1, "removed": 0, "chunks": 1234, "seconds": 61.0,
    "failed": [{"file": "/d/bad\x1b[2J.pdf", "reason": "it is encrypted"}],
}  # fmt: skip


class ScriptedDocuments:
    """Real documents, but for the jobs."""

    def __init__(self, real: Documents, jobs: FakeJobs, asked: list[Any]) -> None:
        self._jobs, self._asked = jobs, asked
        self.search, self.files, self.ask = real.search, real.files, real.ask
        self.verify, self.remove, self.evaluate = real.verify, real.remove, real.evaluate

    def add(self, paths: Sequence[str], **said: Any) -> StoredJob:
        self._asked.append((list(paths), said))
        return self._jobs.start("ingest", "Read documents", {})

    def sync(self) -> StoredJob:
        self._asked.append("sync")
        return self._jobs.start("ingest", "Read documents", {})

    def reindex(self, embedder: str) -> StoredJob:
        self._asked.append(embedder)
        return self._jobs.start("reindex", "Embed again", {})


class Edge(FakeEdge):
    """The scripted SDK with documents."""

    collections: Collections

    def __init__(self, real: EdgeLLM) -> None:
        super().__init__()
        self.real = real
        self.settings = real.settings
        self.collections = real.collections
        self.asked: list[Any] = []

    def documents(self, name: str) -> ScriptedDocuments:
        return ScriptedDocuments(self.real.documents(name), self.jobs, self.asked)


@pytest.fixture
def edge(edgellm_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    """With two documents in the collection `ferry`."""
    monkeypatch.setattr(recall, "open_for", lambda _identity, **_places: WordEmbedder())
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "fares.txt").write_text("A single ticket for the ferry costs nine crowns.")
    (folder / "broken.txt").write_text("damaged")
    with EdgeLLM("fake:", home=edgellm_home, settings=Settings(context_tokens=1024)) as real:
        shelf = CollectionShelf(real.home)
        with shelf.open_or_create("ferry", lambda: WordEmbedder.identity) as collection:
            Ingest(collection, WordEmbedder, lambda _event: None, parse).run([folder])
        yield Edge(real)


@pytest.fixture
def bench(edge: Edge, bench: Bench) -> Bench:
    """A command line on it."""
    bench.edge = edge
    return bench


def test_add_waits_and_says_what_was_read_and_what_failed(bench: Bench, edge: Edge) -> None:
    edge.jobs.events = [Started(title="Reading"), Progressed(done=1, total=3), Finished(result=RESULT)]
    assert bench.run("docs", "add", "a", "b", "-c", "ferry", "--tag", "x", "--sync") == Code.DONE
    assert edge.asked == [(["a", "b"], {"sync": True, "watch": False, "tags": ("x",)})]
    assert "2 added, 1 unchanged" in bench.out
    assert "1,234 passages in 1:01" in bench.out
    assert "it is encrypted" in bench.out
    assert "\x1b[2J" not in bench.out


def test_when_nothing_could_be_read_the_answer_is_no(bench: Bench, edge: Edge) -> None:
    edge.jobs.events = [Finished(result=RESULT | {"added": 0, "unchanged": 0})]
    assert bench.run("docs", "add", "a", "-c", "ferry", "--json") == Code.ANSWER_IS_NO
    assert json.loads(bench.out)["failed"][0]["reason"] == "it is encrypted"


def test_sync_and_reindex_are_jobs_too(bench: Bench, edge: Edge) -> None:
    edge.jobs.events = [Finished(result=RESULT)]
    assert bench.run("docs", "sync", "-c", "ferry") == Code.DONE
    edge.jobs.events = [Finished(result={"embedder": "e5", "chunks": 3, "cut": 2, "seconds": 2.0})]
    assert bench.run("docs", "reindex", "-c", "ferry", "--embedder", "e5") == Code.DONE
    assert "e5" in bench.out
    assert "2 passages longer than what e5 reads" in bench.err
    assert bench.run("docs", "reindex", "-c", "ferry", "--detach") == Code.DONE
    assert edge.asked == ["sync", "e5", ""]


def test_collections_and_files_are_listed_with_their_reasons(bench: Bench) -> None:
    assert bench.run("docs", "list") == Code.DONE
    assert bench.out.splitlines()[1].split()[:4] == ["ferry", "1", "1", "1"]
    assert bench.run("docs", "files", "-c", "ferry", "--failed") == Code.DONE
    assert "it is damaged" in bench.out
    assert "fares.txt" not in bench.out
    assert bench.run("docs", "verify", "-c", "ferry") == Code.DONE
    assert "sound" in bench.out


def test_search_shows_place_and_text_and_nothing_is_an_answer_too(bench: Bench) -> None:
    assert bench.run("docs", "search", "ticket", "-c", "ferry") == Code.DONE
    assert "1  fares.txt" in bench.out
    assert "costs nine crowns" in bench.out
    assert bench.run("docs", "search", "zebra", "-c", "ferry", "--mode", "words") == Code.ANSWER_IS_NO


def test_search_as_json_has_offsets_and_scores(bench: Bench) -> None:
    assert bench.run("docs", "search", "ticket", "-c", "ferry", "--json") == Code.DONE
    (hit,) = json.loads(bench.out)
    assert (hit["start"], hit["end"], hit["word_rank"]) == (0, 48, 1)


def test_ask_prints_the_documented_object(bench: Bench) -> None:
    assert bench.run("docs", "ask", "What costs a ticket?", "-c", "ferry", "--max-tokens", "8", "--json") == Code.DONE
    found = json.loads(bench.out)
    assert found.keys() >= {"answer", "citations", "unsupported", "removed", "is_weak", "model", "timings"}
    assert found["collection"] == "ferry"


@pytest.mark.parametrize(("said", "expected"), [((), 7), (("--max-tokens", "8"), 8)])
def test_ask_writes_as_much_as_was_said_or_set(
    bench: Bench, edge: Edge, monkeypatch: pytest.MonkeyPatch, said: Sequence[str], expected: int
) -> None:
    asked, ask = list[Sampling](), Documents.ask

    def noted(self: Documents, question: str, **options: Any) -> Any:
        asked.append(options["sampling"])
        return ask(self, question, **options)

    monkeypatch.setattr(Documents, "ask", noted)
    edge.settings = replace(edge.real.settings, sampling=Sampling(max_tokens=7))
    assert bench.run("docs", "ask", "What costs a ticket?", "-c", "ferry", *said) == Code.DONE
    assert [(each.max_tokens, each.temperature) for each in asked] == [(expected, 0.0)]


def test_ask_says_when_the_documents_do_not(bench: Bench) -> None:
    assert bench.run("docs", "ask", "Zebra quantum?", "-c", "ferry") == Code.DONE
    assert bench.out == "The documents do not say.\n"


def test_an_unknown_collection_is_named_with_the_nearest(bench: Bench) -> None:
    assert bench.run("docs", "ask", "What?", "-c", "fery") == Code.NOT_FOUND
    assert "Did you mean 'ferry'" in bench.err


def test_eval_prints_a_row_for_each_way_and_names_what_is_wrong_with_a_line(bench: Bench, tmp_path: Path) -> None:
    questions = tmp_path / "q.jsonl"
    questions.write_text('{"question": "What costs a ticket?", "file": "fares.txt"}\n')
    assert bench.run("docs", "eval", "-c", "ferry", "--questions", str(questions), "-k", "5") == Code.DONE
    assert [line.split()[0] for line in bench.out.splitlines()] == ["SEARCH", "vector", "words", "fused"]
    assert "RECALL@5" in bench.out
    questions.write_text('{"question": 1}\n')
    assert bench.run("docs", "eval", "-c", "ferry", "--questions", str(questions)) == Code.INVALID_INPUT
    assert "q.jsonl:1" in bench.err


def test_files_are_removed_by_name_and_a_collection_only_on_request(bench: Bench, tmp_path: Path) -> None:
    assert bench.run("docs", "remove", "-c", "ferry") == Code.INVALID_INPUT
    assert bench.run("docs", "remove", "-c", "ferry", str(tmp_path / "docs" / "fares.txt")) == Code.DONE
    assert "1 file" in bench.out
    assert bench.run("docs", "remove", "-c", "ferry", "no-such-file.txt") == Code.ANSWER_IS_NO
    assert "not there" in bench.out
    assert bench.run("docs", "remove", "-c", "ferry", "--all") == Code.DONE
    assert bench.run("docs", "files", "-c", "ferry") == Code.NOT_FOUND


def test_a_collection_that_cannot_be_opened_is_listed_with_its_reason(bench: Bench, edge: Edge) -> None:
    CollectionShelf(edge.real.home).path("broken").write_bytes(b"Dear diary")
    assert bench.run("docs", "list") == Code.DONE
    lines = bench.out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["broken", "ferry"]
    assert bench.run("docs", "list", "--json") == Code.DONE
    assert "it is no SQLite file" in json.loads(bench.out)[0]["reason"]


def test_a_citation_as_json_has_the_documented_keys() -> None:
    cited = Citation(
        n=1, chunk_id=7, file="/d/fares.pdf", page=3, headings=("Ferry", "Fares"), text="It costs nine crowns.",
        start=5, end=26, score=0.75,
    )  # fmt: skip
    answer = Choice(text="Nine crowns [1]. Dogs bark.", finish_reason=FinishReason.STOP)
    reply = Reply(choices=(answer,), model="fake:", usage=Usage(), timings=Timings())
    found = docs_ask._as_json(reply, Evidence(collection="c", citations=(cited,), unsupported=((17, 27),), removed=2))
    assert found["citations"] == [
        {
            "n": 1, "file": "/d/fares.pdf", "page": 3, "heading": "Ferry > Fares", "text": "It costs nine crowns.",
            "score": 0.75, "start": 5, "end": 26, "is_added": False,
        }
    ]  # fmt: skip
    assert (found["answer"], found["unsupported"], found["removed"]) == (answer.text, ["Dogs bark."], 2)
    assert "search_s" in found["timings"]
