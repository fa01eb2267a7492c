"""`edgellm data draft`, `drafts` and `review`: what is asked of the SDK, what is shown, what keys do."""

from __future__ import annotations

import json
import os
import pty
import termios
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from edgellm.cli.review import read_key
from edgellm.data.drafts import DraftStore
from edgellm.events import Failed, Finished, Progressed, Started
from edgellm.sdk.datasets import Datasets
from edgellm.sdk.drafts import Drafts
from edgellm.sdk.facade import EdgeLLM
from edgellm.store import StoredJob
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge, FakeJobs
from tests.unit.data.test_drafts import INFO, drafted, passage

RESULT: dict[str, Any] = {
    "name": "ferry", "model": "starter", "counts_model": False, "judged_right": 4, "judged_of": 8, "passages": 8,
    "drafted": 24, "supported": 14, "refused": {"repeats": 4, "number": 1, "of_tomorrow": 5}, "statuses": {},
    "draft_s": 71.7,
}  # fmt: skip


class ScriptedDrafts:
    """Real drafts, but for the job that writes them."""

    def __init__(self, real: Drafts, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.asked: list[tuple[Sequence[str], str, str, int]] = []
        self.list, self.open, self.decide, self.remove = real.list, real.open, real.decide, real.remove

    def start(self, files: Sequence[str], name: str, model: str, *, per_passage: int) -> StoredJob:
        self.asked.append((files, name, model, per_passage))
        return self._jobs.start("draft", f"Draft {name}", {})


class Edge(FakeEdge):
    """The scripted SDK with drafts and datasets."""

    drafts: ScriptedDrafts
    datasets: Datasets


@pytest.fixture
def edge(edgellm_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    monkeypatch.setattr("edgellm.data.language.language_detector", lambda: lambda _: "en")
    made = Edge()
    with EdgeLLM("fake:", home=edgellm_home) as real:
        made.drafts = ScriptedDrafts(real.drafts, made.jobs)
        made.datasets = real.datasets
        store = DraftStore(real.home.drafts)
        store.begin(INFO)
        store.keep("ferry", passage(5, [drafted(1), drafted(2)]))
        store.keep("ferry", passage(9, [drafted(3)]))
        yield made


def reviewed(edge: Edge, keys: str) -> Bench:
    """A review in a terminal, with these keys."""
    bench = Bench(edge=edge, stdin=keys.encode(), is_terminal=True, environment={"COLUMNS": "100", "NO_COLOR": "1"})
    assert bench.run("data", "review", "ferry") == 0
    return bench


def statuses(edge: Edge) -> list[str]:
    return [pair.status.value for pair in edge.drafts.open("ferry").pairs]


def test_drafting_tells_the_yield_with_every_reason(edge: Edge) -> None:
    edge.jobs.events = [
        Started(title="Drafting ferry", total=8, unit="passages"),
        Progressed(done=8, total=8, note="14 supported pairs"),
        Finished(result=RESULT),
    ]
    bench = Bench(edge=edge, environment={"COLUMNS": "100"})
    assert bench.run("data", "draft", "a.md", "notes", "--name", "ferry", "--per-passage", "2") == 0
    assert edge.drafts.asked == [(("a.md", "notes"), "ferry", "starter", 2)]
    assert bench.out.splitlines() == [
        "drafted  ferry  14 of 24 pairs supported, 8 passages, 1:12",
        "4 refused  the answer repeats the question, or itself",
        "1 refused  a number that the passage does not have",
        "5 refused  of_tomorrow",
        "starter answered 4 of 8 control questions right: its own word on the pairs was not asked for",
    ]
    assert "edgellm data review ferry" in bench.err


def test_drafting_as_json_detached_and_failed(edge: Edge) -> None:
    bench = Bench(edge=edge)
    edge.jobs.events = [Finished(result=RESULT)]
    assert bench.run("data", "draft", "a.md", "--name", "ferry", "-m", "big", "--json") == 0
    assert json.loads(bench.out) == RESULT
    assert edge.drafts.asked[-1][2] == "big"
    assert bench.run("data", "draft", "a.md", "--name", "ferry", "--detach") == 0
    assert "edgellm jobs follow job1" in bench.err
    edge.jobs.events = [Failed(error="DataRejected", message="The documents hold no passage.")]
    assert bench.run("data", "draft", "a.md", "--name", "ferry") == 3
    assert "no passage" in bench.err


def test_drafts_are_listed_with_counts(edge: Edge) -> None:
    edge.drafts.decide("ferry", "p1", "accepted")
    bench = Bench(edge=edge, environment={"COLUMNS": "100"})
    assert bench.run("data", "drafts") == 0
    assert bench.out.splitlines()[1].split() == ["ferry", "3", "3", "2", "1", "0", "0", "starter"]
    assert bench.run("data", "drafts", "--json") == 0
    [found] = json.loads(bench.out)
    assert (found["name"], found["usable"], found["counts"]["statuses"]["pending"]) == ("ferry", 1, 2)


def test_without_a_terminal_a_review_names_the_way_out(edge: Edge) -> None:
    bench = Bench(edge=edge)
    assert bench.run("data", "review", "ferry") == 3
    assert "needs a terminal" in bench.err
    assert "edgellm data review ferry --json" in bench.err
    assert bench.run("data", "review", "ferry", "--json") == 0
    first = json.loads(bench.out)["pairs"][0]
    assert (first["id"], first["status"], first["source"]) == ("p1", "pending", {"file": "handbook.md", "line": 5})


def test_keys_accept_reject_and_undo(edge: Edge) -> None:
    bench = reviewed(edge, "aruxA\x1br")
    assert statuses(edge) == ["accepted", "rejected", "pending"]
    assert "1 of 3  handbook.md:5" in bench.out
    assert "3 of 3  handbook.md:9" in bench.out
    assert "1 pending, 1 accepted, 1 rejected" in bench.out
    assert "edgellm train run --data drafts:ferry --name ferry" in bench.err


def test_a_pair_is_edited_line_by_line_and_an_empty_line_keeps_the_old_one(edge: Edge) -> None:
    reviewed(edge, "e\nA better answer.\ne\n\nq")
    first, second, _ = edge.drafts.open("ferry").pairs
    assert (first.status, first.question, first.answer) == ("edited", "Question 1?", "A better answer.")
    assert (second.status, second.question) == ("accepted", "Question 2?")


def test_an_edit_that_is_refused_leaves_the_pair_pending(edge: Edge) -> None:
    bench = reviewed(edge, "e" + "x" * 8_001 + "\n\nq")
    assert "8,001 characters" in bench.err
    assert statuses(edge) == ["pending"] * 3


def test_undo_at_the_beginning_says_so(edge: Edge) -> None:
    assert "nothing to undo" in reviewed(edge, "uq").err


def test_a_review_goes_on_where_it_was_left(edge: Edge) -> None:
    reviewed(edge, "aq")
    assert "1 of 2  handbook.md:5" in reviewed(edge, "q").out
    reviewed(edge, "rr")
    assert "1 accepted, 2 rejected" in reviewed(edge, "").out


def test_accepted_pairs_become_a_dataset_and_drafts_are_removed_by_name(edge: Edge) -> None:
    bench = Bench(edge=edge, environment={"COLUMNS": "100"})
    assert bench.run("data", "build", "drafts:ferry", "--name", "taught") == 3
    assert "None of the drafts 'ferry' is accepted" in bench.err
    edge.drafts.decide("ferry", "p3", "accepted")
    assert bench.run("data", "check", "drafts:ferry") == 0
    assert "1 of 1 row would be kept" in bench.out
    assert bench.run("data", "build", "drafts:ferry", "--name", "taught") == 0
    assert bench.run("data", "remove", "drafts:ferry", "--yes") == 0
    assert edge.drafts.list() == []
    assert [manifest.name for manifest in edge.datasets.list()] == ["taught"]


def test_drafts_that_are_not_there_are_named(edge: Edge) -> None:
    bench = Bench(edge=edge)
    for command in (("review", "other", "--json"), ("check", "drafts:other"), ("remove", "drafts:other", "--yes")):
        assert bench.run("data", *command) != 0
        assert "There are no drafts named 'other'" in bench.err


def test_a_key_is_read_without_enter_and_a_function_key_is_one_key() -> None:
    """In a real terminal: the letters that an arrow key sends after Esc are no decisions."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "r", encoding="utf-8") as stdin:
        before = termios.tcgetattr(stdin)
        threading.Timer(0.1, lambda: os.write(master, b"a")).start()
        assert read_key(stdin) == "a"
        threading.Timer(0.1, lambda: os.write(master, b"\x1b[A")).start()
        assert read_key(stdin) == "\x1b"
        threading.Timer(0.1, lambda: os.write(master, b"r")).start()
        assert read_key(stdin) == "r"
        assert termios.tcgetattr(stdin) == before, "the terminal is left as it was"
    os.close(master)
