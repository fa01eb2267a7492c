"""`edgellm eval`: what is asked of the SDK, and what is shown of what it finds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgellm.cli.diagnostics import Code
from edgellm.errors import MissingExtra
from edgellm.evals.run import Run
from edgellm.evals.suite import SHIPPED, Suite, read_suite
from edgellm.events import Failed, Finished, JobEvent, Progressed, Started
from edgellm.store import StoredJob
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge, FakeJobs
from tests.unit.evals.report.test_reports import a_run


def kept() -> Run:
    run, _ = a_run("plain")
    return run


class FakeEvals:
    """Begins a job that has the scripted events; knows one run."""

    def __init__(self, jobs: FakeJobs, folder: Path) -> None:
        self._jobs, self._folder = jobs, folder
        self.asked: list[Any] = []
        self.runs = [kept()]
        self.problem: Exception | None = None

    def run(self, suites: Sequence[str], **said: Any) -> StoredJob:
        self.asked.append({"suites": suites, **said})
        return self._jobs.start("evaluate", "Evaluate", {})

    def list(self) -> list[Run]:
        return self.runs

    def get(self, _run_id: str) -> Run:
        return kept()

    def report(self, run_id: str, form: str) -> Path:
        path = self._folder / f"{run_id}.{form}"
        path.write_text("the report")
        return path

    def suites(self, _folder: Path) -> Sequence[Suite]:
        return [read_suite(SHIPPED / "general.toml")]

    def harness(self, tasks: Sequence[str], **said: Any) -> dict[str, Any]:
        if self.problem is not None:
            raise self.problem
        said.pop("on_line")("asking")
        self.asked.append({"tasks": tasks, **said})
        return {"results": {"arc\x1b": {"acc": 0.5, "alias": "arc"}}}


class Edge(FakeEdge):
    """The scripted SDK with evaluations."""

    def __init__(self, folder: Path, *events: JobEvent) -> None:
        super().__init__()
        self.jobs.events = list(events)
        self.evals = FakeEvals(self.jobs, folder)


@pytest.fixture
def at(tmp_path: Path) -> Bench:
    result = msgspec.to_builtins(kept()) | {"path": "/there", "report": "/there/report.html"}
    events = (Started(title="Asking m", total=3, unit="answers"), Progressed(done=3, total=3), Finished(result=result))
    return Bench(edge=Edge(tmp_path, *events), environment={"COLUMNS": "140"})


def asked(at: Bench) -> Any:
    assert isinstance(at.edge, Edge)
    return at.edge.evals.asked


def test_a_run_is_begun_watched_and_shown(at: Bench) -> None:
    said = ("--against", "b", "--against", "c", "--judge", "j", "--suites", "mine")
    assert at.run("eval", "run", "towns", "x.toml", "--on", "m@a+c", *said) == Code.DONE
    assert asked(at) == [
        {"suites": ("towns", "x.toml"), "on": "m@a+c", "against": ("b", "c"), "judge": "j", "folder": Path("mine")}
    ]
    assert "0.0 % (0.0 to " in at.out
    assert "no difference shown  s against model 1 plain" in at.out
    assert "/there/report.html" in at.err
    assert "Not measured" in at.err


def test_a_run_can_be_left_alone_and_read_as_json(at: Bench) -> None:
    assert at.run("eval", "run", "towns", "--on", "m", "--detach") == Code.DONE
    assert "started" in at.out
    assert at.run("eval", "run", "towns", "--on", "m", "--json") == Code.DONE
    found = json.loads(at.out)
    assert found["report"] == "/there/report.html"
    assert found["comparisons"][0]["word"] == "no difference shown"


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    at = Bench(edge=Edge(tmp_path, Failed(error="InvalidInput", message="No judge.")))
    assert at.run("eval", "run", "towns", "--on", "m") == Code.INVALID_INPUT
    assert "No judge." in at.err


def test_runs_are_listed_and_shown(at: Bench) -> None:
    assert at.run("eval", "list") == Code.DONE
    assert "model 0 plain" in at.out
    assert at.run("eval", "list", "--json") == Code.DONE
    (found,) = json.loads(at.out)
    assert found["scores"][0] == {"suite": "s", "subject": "model 0 plain", "score": 0.0}
    assert at.run("eval", "show", "r1", "--json") == Code.DONE
    assert json.loads(at.out)["id"] == "r1"
    assert at.run("eval", "show", "r") == Code.DONE
    assert "100.0 % (" in at.out


def test_what_is_not_there_is_said(at: Bench) -> None:
    assert at.run("eval", "show", "nothing") == Code.NOT_FOUND
    assert "edgellm eval list" in at.err
    assert isinstance(at.edge, Edge)
    at.edge.evals.runs.clear()
    assert at.run("eval", "list") == Code.DONE
    assert "No evaluation yet" in at.err


def test_a_report_is_named_or_copied(at: Bench, tmp_path: Path) -> None:
    assert at.run("eval", "report", "r1") == Code.DONE
    assert at.out == f"{tmp_path / 'r1.html'}\n"
    copy = tmp_path / "copy.md"
    assert at.run("eval", "report", "r1", "--form", "markdown", "--out", str(copy), "--json") == Code.DONE
    assert json.loads(at.out) == {"path": str(copy), "form": "markdown"}
    assert copy.read_text() == "the report"


def test_suites_are_listed(at: Bench) -> None:
    assert at.run("eval", "suites") == Code.DONE
    assert "general" in at.out
    assert "40" in at.out
    assert at.run("eval", "suites", "--json") == Code.DONE
    (found,) = json.loads(at.out)
    assert (found["name"], found["cases"]) == ("general", 40)


def test_the_harness_is_driven(at: Bench) -> None:
    assert at.run("eval", "lm-eval", "arc", "boolq", "--on", "m", "--limit", "5", "--include", "own") == Code.DONE
    assert asked(at) == [{"tasks": ("arc", "boolq"), "on": "m", "limit": 5, "include": Path("own")}]
    assert "arc␛" in at.out
    assert "0.5" in at.out
    assert at.run("eval", "lm-eval", "arc", "--on", "m", "--json") == Code.DONE
    assert json.loads(at.out)["results"]


def test_a_missing_harness_is_named(at: Bench) -> None:
    assert isinstance(at.edge, Edge)
    at.edge.evals.problem = MissingExtra("lm-evaluation-harness is not installed.", hint="pip install", extra="lm_eval")
    assert at.run("eval", "lm-eval", "arc", "--on", "m") == Code.MISSING_EXTRA
    assert "not installed" in at.err
