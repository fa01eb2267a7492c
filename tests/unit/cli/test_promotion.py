"""`edgellm gate`, `promote`, `rollback`: what is asked of the SDK, what is shown, and exit codes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgellm.cli.diagnostics import Code
from edgellm.evals.gate import Line, Verdict
from edgellm.evals.run import Run
from edgellm.events import Finished
from edgellm.sdk.promotion import Moved
from edgellm.store import StoredJob
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge, FakeJobs
from tests.unit.evals.report.test_reports import a_run


class FakePromotion:
    """A gate whose answer is given."""

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.passes = True
        self.begun: list[dict[str, Any]] = []
        self.promoted: list[str] = []

    def begin(self, candidate: str, **said: Any) -> StoredJob:
        self.begun.append({"candidate": candidate, **said})
        return self._jobs.start("evaluate", "Evaluate", {})

    def verdict(self, run_id: str, _policy: object) -> Verdict:
        line = Line(suite="towns", rule="not worse", found="worse: -40 points", holds=self.passes)
        return Verdict(passed=self.passes, run=run_id, policy="policy.toml", lines=(line,))

    def current(self, alias: str) -> str | None:
        return "starter" if alias == "assistant" else None

    def promote(self, run_id: str, alias: str, _policy: object) -> Moved:
        self.promoted.append(run_id)
        return Moved(alias=alias, target="starter@new", before="starter")

    def rollback(self, alias: str) -> Moved:
        return Moved(alias=alias, target="starter", before="starter@new")


class FakeEvals:
    """Knows one run."""

    def list(self) -> list[Run]:
        return [a_run("plain")[0]]


class Edge(FakeEdge):
    """The scripted SDK with a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.evals = FakeEvals()
        self.jobs.events = [Finished(result={})]
        self.promotion = FakePromotion(self.jobs)


@pytest.fixture
def bench() -> Bench:
    return Bench(edge=Edge(), environment={"COLUMNS": "140"})


@pytest.fixture
def promotion(bench: Bench) -> FakePromotion:
    assert isinstance(bench.edge, Edge)
    return bench.edge.promotion


def test_the_gate_shows_every_rule(bench: Bench, promotion: FakePromotion) -> None:
    assert bench.run("gate", "starter@new", "--against", "starter") == Code.DONE
    assert promotion.begun[0]["against"] == "starter"
    assert "holds" in bench.out
    assert "passed" in bench.out


def test_a_closed_gate_is_an_answer(bench: Bench, promotion: FakePromotion) -> None:
    promotion.passes = False
    assert bench.run("promote", "starter@new", "--as", "assistant") == Code.ANSWER_IS_NO
    assert promotion.promoted == []
    assert "not passed" in bench.out
    assert "-40 points" in bench.out


def test_promoting_compares_with_what_is_live(bench: Bench, promotion: FakePromotion) -> None:
    assert bench.run("promote", "starter@new", "--as", "assistant", "--json") == Code.DONE
    assert promotion.begun[0]["against"] == "starter"
    said = json.loads(bench.out)
    assert (said["promoted"], said["moved"]["target"], said["verdict"]["passed"]) == (True, "starter@new", True)


def test_a_new_alias_has_no_current_version(bench: Bench, promotion: FakePromotion) -> None:
    assert bench.run("promote", "starter", "--as", "new") == Code.DONE
    assert promotion.begun[0]["against"] is None


def test_a_run_that_people_voted_on_decides(bench: Bench, promotion: FakePromotion) -> None:
    names = ("model 0 plain", "--against", "model 1 plain", "--run", "r1")
    assert bench.run("gate", *names) == Code.DONE
    assert promotion.begun == []
    assert bench.run("gate", "another", "--against", "model 1 plain", "--run", "r1") == Code.INVALID_INPUT
    assert "judged model 0 plain against model 1 plain" in bench.err
    assert bench.run("gate", *names[:-1], "r9") == Code.NOT_FOUND


def test_rolling_back_says_what_is_live(bench: Bench) -> None:
    assert bench.run("rollback", "assistant") == Code.DONE
    assert "assistant" in bench.out
    assert "starter, which was starter@new" in bench.out
