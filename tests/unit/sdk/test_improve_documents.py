"""New documents within a run of the loop: the sync is begun as `docs sync` begins it, waited for, and found again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgellm.events import JobEvent
from edgellm.retrieval.ingest.ingest import Ingest
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.improve_job import Loop
from edgellm.sdk.improve_parts import EdgeParts
from edgellm.sdk.improve_run import ImproveRequest, ImproveRun, StageState, read_run, write_run
from edgellm.sdk.work import Work
from edgellm.store import JobState, StoredJob
from tests.unit.retrieval.fakes import WordEmbedder, parse

NAMES = ("ferry", "harbour")


@pytest.fixture
def edge(edge: EdgeLLM, tmp_path: Path) -> EdgeLLM:
    """With two collections of a folder each."""
    for name in NAMES:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "fares.txt").write_text("A single ticket costs nine crowns.")
        with CollectionShelf(edge.home).open_or_create(name, lambda: WordEmbedder.identity) as collection:
            Ingest(collection, WordEmbedder, lambda _event: None, parse).run([folder])
    return edge


class Syncs:
    """Stands for the ingestion: jobs of this program that do nothing, with the arguments of the real ones."""

    def __init__(self, edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self._start = edge.jobs.start
        monkeypatch.setattr(edge.jobs, "start", self.start)

    def start(self, kind: str, title: str, arguments: Mapping[str, Any]) -> StoredJob:
        self.asked.append((kind, arguments))
        return self._start("selftest", title, {"steps": 2, "step_s": 0.01})


def loop(edge: EdgeLLM, collections: tuple[str, ...]) -> Loop:
    """A run of which everything but the documents is over."""
    request = ImproveRequest(
        alias="assistant", tenant="", live="fake:", base="fake:", candidate="c", collections=collections, policy="p"
    )
    if not (edge.home.improve / "r1").exists():
        run = ImproveRun(id="r1", created=1.0, request=request)
        for stage in run.stages:
            if stage.name != "documents":
                run = run.with_stage(msgspec.structs.replace(stage, state=StageState.DONE))
        write_run(edge.home, run)
    told = list[JobEvent]()
    work = Work(edge.home, edge.home.jobs / "r1", msgspec.to_builtins(request), told.append)
    return Loop(work, EdgeParts(edge, told.append))


def test_every_collection_is_synced_by_a_job_of_its_own_which_is_waited_for(
    edge: EdgeLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = Syncs(edge, monkeypatch)
    loop(edge, NAMES).run()
    assert [(kind, each["collection"], each["sync"]) for kind, each in syncs.asked] == [
        ("ingest", "ferry", True),
        ("ingest", "harbour", True),
    ]
    assert [each["paths"] for _, each in syncs.asked] == [(str(tmp_path / name),) for name in NAMES]
    stage = read_run(edge.home, "r1").stage("documents")
    assert (stage.state, stage.note) == (StageState.DONE, "ferry, harbour")
    assert [edge.jobs.get(job).state for job in stage.jobs] == [JobState.FINISHED] * 2


def test_a_folder_that_is_gone_ends_the_run_and_put_back_it_goes_on_with_what_was_done(
    edge: EdgeLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = Syncs(edge, monkeypatch)
    (tmp_path / "harbour").rename(tmp_path / "elsewhere")
    with pytest.raises(Exception, match=r"There is no file or folder .*harbour"):
        loop(edge, NAMES).run()
    stage = read_run(edge.home, "r1").stage("documents")
    assert (stage.state, len(stage.jobs)) == (StageState.RUNNING, 1)
    (tmp_path / "elsewhere").rename(tmp_path / "harbour")
    loop(edge, NAMES).run()
    assert [each["collection"] for _, each in syncs.asked] == list(NAMES), "the first was not synced again"
    assert read_run(edge.home, "r1").stage("documents").state is StageState.DONE


def test_without_collections_the_stage_is_skipped(edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = Syncs(edge, monkeypatch)
    loop(edge, ()).run()
    assert syncs.asked == []
    assert read_run(edge.home, "r1").stage("documents").state is StageState.SKIPPED
