"""Documents end to end: files, the real embedder, the starter, citations that hold when opened."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.events import Finished
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.types import Sampling
from tests.live.starter import starter_path

pytestmark = pytest.mark.live

HANDBOOK = Path(__file__).resolve().parents[2] / "examples" / "ferry" / "handbook.md"
GREEDY = Sampling(temperature=0, max_tokens=60)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    """With the handbook in the collection `ferry`, read by a job."""
    home = tmp_path_factory.mktemp("documents") / "home"
    with EdgeLLM(starter_path(), home=home, settings=Settings(context_tokens=2048)) as made:
        job = made.documents("ferry").add([HANDBOOK], tags=["handbook"])
        last = list(made.jobs.follow(job.id))[-1]
        assert isinstance(last, Finished), last
        assert (last.result["added"], last.result["failed"]) == (1, [])
        yield made


def test_a_question_in_other_words_finds_its_passage(edge: EdgeLLM) -> None:
    hit = edge.documents("ferry").search("What is the price for bringing my dog along?", mode="vector")[0]
    assert "dogs pay 1 crown" in hit.text
    assert hit.headings[-1] == "Tickets"


def test_citations_hold_when_they_are_opened(edge: EdgeLLM) -> None:
    reply = edge.documents("ferry").ask("What do dogs pay?", sampling=GREEDY)
    assert reply.evidence is not None
    assert reply.evidence.citations, reply.text
    for citation in reply.evidence.citations:
        place = edge.documents("ferry").page(citation.file, citation.start, citation.end)
        assert place.text[place.start : place.end] == citation.text


def test_a_question_about_something_else_is_not_answered_from_memory(edge: EdgeLLM) -> None:
    reply = edge.documents("ferry").ask("Which chemical element has the symbol Au?", sampling=GREEDY)
    assert reply.evidence is not None
    assert (reply.evidence.is_weak, reply.usage.completion_tokens) == (True, 0)


def test_questions_about_the_same_passages_share_what_the_engine_has_read(edge: EdgeLLM) -> None:
    first = edge.documents("ferry").ask("What do dogs pay?", sampling=GREEDY)
    second = edge.documents("ferry").ask("What do dogs pay, please?", sampling=GREEDY)
    assert first.evidence is not None
    assert second.evidence is not None
    assert first.evidence.passages == second.evidence.passages > 0
    assert second.usage.cached_tokens > 0.8 * second.usage.prompt_tokens


def test_a_collection_that_is_copied_answers_elsewhere(edge: EdgeLLM, tmp_path: Path) -> None:
    source = CollectionShelf(edge.home).path("ferry")
    with EdgeLLM(starter_path(), home=tmp_path / "other", settings=Settings(context_tokens=2048)) as other:
        target = CollectionShelf(other.home).path("copy")
        target.parent.mkdir(parents=True)
        target.write_bytes(source.read_bytes())
        hits = other.documents("copy").search("What do dogs pay?", limit=1)
    assert "dogs pay 1 crown" in hits[0].text


def test_a_job_that_is_killed_leaves_whole_files_and_goes_on(edge: EdgeLLM, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    text = HANDBOOK.read_text()
    for number in range(12):
        (folder / f"{number:02d}.md").write_text(f"# Copy {number}\n\n{text}")
    job = edge.documents("killed").add([folder])
    shelf = CollectionShelf(edge.home)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if shelf.path("killed").exists() and edge.jobs.get(job.id).pid:
            break
        time.sleep(0.05)
    subprocess.run(["kill", f"-{signal.SIGKILL}", str(edge.jobs.get(job.id).pid)], check=True)
    list(edge.jobs.follow(job.id))
    documents = edge.documents("killed")
    assert documents.verify() == []
    again = edge.documents("killed").add([folder])
    last = list(edge.jobs.follow(again.id))[-1]
    assert isinstance(last, Finished)
    assert len(documents.files()) == 12
    assert all(not file.reason for file in documents.files())
