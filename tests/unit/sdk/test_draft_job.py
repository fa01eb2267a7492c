"""A drafting job: verdicts, progress, resuming, and what is refused before there is one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edgellm.data.drafts import PASSAGES, DraftStore
from edgellm.errors import DataRejected, InvalidInput
from edgellm.events import JobEvent, Progressed, Started
from edgellm.hub.installed import Manifest
from edgellm.paths import Home, home_from
from edgellm.sdk import draft_job
from edgellm.sdk.draft_request import DraftRequest, request_from
from edgellm.sdk.drafting import CONTROLS
from edgellm.sdk.engines import Opened
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.inspections import library_in
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.training import Training
from edgellm.sdk.work import CancelRequested, Work
from edgellm.types import Message
from tests.unit.sdk.test_drafting import FakeWorker

DOCUMENT = """# Ferry

A single ticket costs 6 crowns. The ferry is called Morwenna.

# Crew

Captain Ida Renwick has commanded the ship since 2011.
"""
PAIRS = {
    "A single ticket costs 6 crowns.": ("What does a single ticket cost?", "A single ticket costs 6 crowns."),
    "The ferry is called Morwenna.": ("What is the ferry called?", "The ferry is called Morwane."),
    "Captain Ida Renwick has commanded the ship since 2011.": (
        "Who has commanded the ship since 2011?",
        "Captain Ida Renwick has commanded the ship since 2011.",
    ),
}


class FakeEngines:
    """One scripted worker for every model."""

    def __init__(self, fake: FakeWorker) -> None:
        self._fake = fake
        self.is_closed = False

    def open(self, _name: str, _on_progress: Callable[[float], None], *, mode: str) -> Opened:
        assert mode == "generate"
        return self._fake.opened

    def close(self) -> None:
        self.is_closed = True


def answering(judges: Callable[[str], bool]) -> Callable[[Sequence[Message]], str]:
    """A model that writes `PAIRS`, and judges claims as given."""

    def say(turns: Sequence[Message]) -> str:
        asked = turns[-1].content
        if asked.startswith("Title: "):
            question, answer = PAIRS[asked.rpartition("Fact: ")[2]]
            return json.dumps({"answer": answer, "question": question})
        return '"yes"' if judges(asked) else '"no"'

    return say


def knowing(asked: str) -> bool:
    """A judge who knows the controls, and thinks little of captains."""
    for claim, right in CONTROLS:
        if claim.question in asked and f"Answer: {claim.answer}\n" in asked:
            return right
    return "Captain" not in asked


class Bench:
    """A home with a document, and jobs done in this process."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.home: Home = home_from({"EDGELLM_HOME": str(folder / "home")})
        self.document = folder / "handbook.md"
        self.document.write_text(DOCUMENT)
        self.store = DraftStore(self.home.drafts)
        self.events: list[JobEvent] = []
        self.fake = FakeWorker(answering(knowing))
        self._patch = patch
        self.emit: Callable[[JobEvent], None] = self.events.append

    def run_unopened(self) -> dict[str, Any]:
        """The same for a job that ends before a model is opened."""
        arguments = {"files": [str(self.document)], "name": "ferry", "model": "m"}
        return draft_job.draft(Work(self.home, self.home.jobs / "j1", arguments, self.emit))

    def run(self, name: str = "ferry", job: str = "j1", **more: Any) -> dict[str, Any]:
        engines = FakeEngines(self.fake)
        self._patch.setattr(draft_job, "Engines", lambda *_: engines)
        arguments = {"files": [str(self.document)], "name": name, "model": "m", **more}
        try:
            return draft_job.draft(Work(self.home, self.home.jobs / job, arguments, self.emit))
        finally:
            assert engines.is_closed


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_every_pair_is_kept_with_both_checks_its_verdict_and_its_place(bench: Bench) -> None:
    result = bench.run()
    pairs = bench.store.open("ferry").pairs
    assert [(pair.passage.source.line, pair.drafted.check, pair.drafted.model_says) for pair in pairs] == [
        (3, None, True), (3, "name", None), (7, None, False),
    ]  # fmt: skip
    assert [pair.drafted.refused for pair in pairs] == [None, "name", "model"]
    assert (result["drafted"], result["supported"], result["refused"]) == (3, 1, {"name": 1, "model": 1})
    assert (result["judged_right"], result["counts_model"]) == (len(CONTROLS), True)


def test_the_word_of_a_model_that_guesses_is_not_asked_for(bench: Bench) -> None:
    bench.fake = FakeWorker(answering(lambda _: False))
    result = bench.run()
    assert (result["judged_right"], result["counts_model"], result["supported"]) == (4, False, 2)
    assert {pair.drafted.model_says for pair in bench.store.open("ferry").pairs} == {None}


def test_progress_is_told_by_passages(bench: Bench) -> None:
    bench.run()
    told = [event for event in bench.events if isinstance(event, Progressed)]
    assert [(event.done, event.total) for event in told] == [(1, 2), (2, 2)]
    assert any(isinstance(event, Started) and event.unit == "passages" for event in bench.events)


def test_a_resumed_job_does_not_ask_again_for_passages_that_are_done(bench: Bench) -> None:
    def cancel(event: JobEvent) -> None:
        if isinstance(event, Progressed):
            raise CancelRequested

    bench.emit = cancel
    with pytest.raises(CancelRequested):
        bench.run()
    assert len(list(bench.store.finished("ferry"))) == 1
    bench.emit, bench.fake = bench.events.append, FakeWorker(answering(knowing))
    assert bench.run()["passages"] == 2
    asked = " ".join(turns[-1].content for turns, _ in bench.fake.asked)
    assert "Captain" in asked
    assert "6 crowns" not in asked
    assert "museum" not in asked, "the controls are not asked again"


def test_a_passage_that_was_half_written_is_asked_about_again(bench: Bench) -> None:
    bench.run()
    file = bench.store.folder("ferry") / PASSAGES
    file.write_bytes(file.read_bytes()[:-20])
    assert bench.run()["drafted"] == 3


def test_a_resumed_job_offers_no_pair_twice(bench: Bench) -> None:
    bench.run()
    bench.document.write_text(DOCUMENT + "\n# Again\n\nA single ticket costs 6 crowns.\n")
    assert bench.run()["refused"]["duplicate"] == 1


def test_the_name_of_another_jobs_drafts_is_refused(bench: Bench) -> None:
    bench.run()
    with pytest.raises(InvalidInput, match="already"):
        bench.run(job="j2")


def test_a_document_without_a_passage_is_refused(bench: Bench) -> None:
    bench.document.write_text("# Title\n\nToo short.\n")
    with pytest.raises(DataRejected, match="no passage"):
        bench.run_unopened()


def test_a_request_is_checked() -> None:
    good = {"files": ["a.md"], "name": "ferry", "model": "m"}
    assert request_from(good) == DraftRequest(files=("a.md",), name="ferry", model="m")
    for wrong in ({"per_passage": 0}, {"per_passage": 21}, {"pages": 1}, {"files": "a.md"}):
        with pytest.raises(InvalidInput):
            request_from({**good, **wrong})


def test_what_cannot_begin_is_refused_before_there_is_a_job(tmp_path: Path, edge: EdgeLLM) -> None:
    (tmp_path / "a.md").write_text(DOCUMENT)
    for files, name, said in (
        ([tmp_path / "none.md"], "ferry", "no file or folder"),
        ([], "ferry", "nothing to read"),
        ([tmp_path / "a.md"], "../x", "no name for drafts"),
    ):
        with pytest.raises(InvalidInput, match=said):
            edge.drafts.start(files, name, "starter")
    assert edge.jobs.list() == []


def learn_from(edge: EdgeLLM) -> None:
    """A training run takes drafts by their name, as a dataset of the adapter's."""
    library = library_in(edge.home)
    with library.lock_path("base").open("w"):
        (library.folder / ".part").write_bytes(b"GGUF")
        library.admit(library.folder / ".part", Manifest(name="base", sha256="ab", size_bytes=4, source="", added_at=0))
    started: list[dict[str, Any]] = []
    jobs = SimpleNamespace(start=lambda _kind, _title, arguments: started.append(arguments))
    Training(edge.home, cast(Jobs, jobs), edge.datasets, library).start("drafts:ferry", "base", "learnt")
    assert started[0]["dataset"] == "learnt"
    assert edge.datasets.show("learnt").manifest.sources[0].path == "drafts:ferry"


def test_decisions_through_the_sdk_reach_a_dataset(bench: Bench) -> None:
    bench.run(name="ferry")
    with EdgeLLM("fake:", home=bench.home) as edge:
        [drafts] = edge.drafts.list()
        pair = drafts.supported[0]
        with pytest.raises(InvalidInput, match="None of the drafts 'ferry' is accepted"):
            edge.datasets.check(["drafts:ferry"])
        with pytest.raises(InvalidInput, match="no decision"):
            edge.drafts.decide("ferry", pair.id, "maybe")
        with pytest.raises(InvalidInput, match="Only an edited pair"):
            edge.drafts.decide("ferry", pair.id, "accepted", question="Other?")
        edge.drafts.decide("ferry", pair.id, "edited", question="What is the price?", answer="It costs 6 crowns.")
        dataset = edge.datasets.build(["drafts:ferry"], "taught")
        [row] = dataset.rows("train")
        assert (row.source.file, row.source.line) == (str(bench.document), 3)
        assert dataset.manifest.sources[0].path == "drafts:ferry"
        learn_from(edge)
        edge.drafts.remove("ferry")
        assert edge.drafts.list() == []
