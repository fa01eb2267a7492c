"""`edgellm improve`: the plan, a run, versions, the timer; what is asked of the SDK, what is shown, exit codes."""

# ruff: noqa: ARG002  the SDK's signatures, of which a fake needs a part

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgellm.cli.diagnostics import Code
from edgellm.errors import GateClosed
from edgellm.events import Finished
from edgellm.sdk.improve_history import Evidence, Version
from edgellm.sdk.improve_plan import ImprovePlan
from edgellm.sdk.improve_run import ImproveRun
from edgellm.sdk.promotion import Moved
from edgellm.sdk.schedule import Schedule, Scheduled
from edgellm.store import StoredJob
from tests.tui.fakes.improve import EVIDENCE, FIRST, PLAN, REFUSED, SCORES, run_at, version
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge, FakeJobs


class FakeImprove:
    """A loop whose answers are given."""

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.to_plan, self.run = PLAN, run_at(None)
        self.asked: list[dict[str, Any]] = []
        self.begun = 0
        self.scheduled: list[tuple[str, Schedule]] = []
        self.is_closed = False

    def plan(self, alias: str, **options: Any) -> ImprovePlan:
        self.asked.append({"alias": alias, **options})
        return self.to_plan

    def begin(self, alias: str, **options: Any) -> StoredJob:
        self.begun += 1
        return self._jobs.start("improve", "Improve", {})

    def resume(self, run_id: str) -> StoredJob:
        return self._jobs.get(run_id)

    def get(self, run_id: str) -> ImproveRun:
        return self.run

    def list(self, alias: str | None = None) -> Sequence[ImproveRun]:
        return [self.run]

    def evidence(self, run_id: str) -> Sequence[Evidence]:
        return EVIDENCE

    def history(self, alias: str) -> Sequence[Version]:
        return [version(2, "proposed"), FIRST]

    def promote(self, run_id: str) -> Moved:
        if self.is_closed:
            raise GateClosed("It does not pass: general, not worse: worse.")
        return Moved(alias="assistant", target="qwen3-4b@assistant-v2", before="qwen3-4b")

    def schedule(self, alias: str, schedule: Schedule, folder: Path | None) -> Scheduled:
        self.scheduled.append((alias, schedule))
        return Scheduled(paths=("/units/a.timer",), command="systemctl --user enable --now a.timer")

    def unschedule(self, alias: str, folder: Path | None) -> Scheduled:
        return Scheduled(paths=("/units/a.timer",), command="systemctl --user disable --now a.timer")


class Edge(FakeEdge):
    """The scripted SDK with a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs.events = [Finished(result={})]
        self.improve = FakeImprove(self.jobs)


@pytest.fixture
def bench() -> Bench:
    return Bench(edge=Edge(), environment={"COLUMNS": "160"})


@pytest.fixture
def loop(bench: Bench) -> FakeImprove:
    assert isinstance(bench.edge, Edge)
    loop = bench.edge.improve
    loop.run = replace_run(loop.run)
    return loop


def replace_run(run: ImproveRun) -> ImproveRun:
    """The run as it is once it was measured."""
    return msgspec.structs.replace(run, scores=SCORES, evaluation="e2")


def test_the_short_form_shows_the_plan_and_begins(bench: Bench, loop: FakeImprove) -> None:
    assert bench.run("improve", "assistant") == Code.DONE
    assert loop.begun == 1
    assert "qwen3-4b@assistant-v2" in bench.out
    assert "30 answers (30 new), 60 earlier rows again" in bench.out
    assert "Ottilie Brandt founded it." in bench.out
    assert "96.2 % (90.1 to 98.8), was 28.3 %" in bench.out
    assert "proposed" in bench.out
    assert "edgellm improve promote" in bench.err


def test_a_dry_run_begins_nothing(bench: Bench, loop: FakeImprove) -> None:
    assert bench.run("improve", "assistant", "--dry-run", "--json") == Code.DONE
    assert loop.begun == 0
    said = json.loads(bench.out)
    assert (said["lessons"]["new"], said["refusals"]) == (30, [])


def test_options_reach_the_sdk(bench: Bench, loop: FakeImprove) -> None:
    options = ["--tenant", "t1", "--docs", "handbook", "--suite", "towns", "--judge", "big", "--replay", "0.5"]
    assert bench.run("improve", "run", "assistant", *options, "--preset", "quick", "--set", "rank=8") == Code.DONE
    asked = loop.asked[0]
    assert (asked["tenant"], asked["collections"], asked["suites"]) == ("t1", ("handbook",), ("towns",))
    assert (asked["judge"], asked["replay"]) == ("big", 0.5)
    assert asked["settings"] == {"preset": "quick", "rank": 8}
    assert asked["promotes"] is False


def test_what_speaks_against_it_is_an_answer(bench: Bench, loop: FakeImprove) -> None:
    loop.to_plan = REFUSED
    assert bench.run("improve", "assistant") == Code.ANSWER_IS_NO
    assert loop.begun == 0
    assert "Nothing in the queue was accepted" in bench.err


def test_a_closed_gate_is_an_answer(bench: Bench, loop: FakeImprove) -> None:
    loop.run = replace_run(run_at(None, passed=False))
    assert bench.run("improve", "assistant", "--json") == Code.ANSWER_IS_NO
    assert json.loads(bench.out)["passed"] is False
    assert bench.run("improve", "assistant") == Code.ANSWER_IS_NO
    assert "not proposed" in bench.out


def test_left_alone_it_says_how_to_watch(bench: Bench) -> None:
    assert bench.run("improve", "assistant", "--detach") == Code.DONE
    assert "edgellm jobs follow" in bench.err


def test_not_now_when_the_machine_works(bench: Bench, loop: FakeImprove, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm.sdk.schedule.why_not_now", lambda **_: "the machine is at work")
    assert bench.run("improve", "run", "--when-idle", "assistant") == Code.ANSWER_IS_NO
    assert loop.asked == []
    assert "Not now: the machine is at work." in bench.err


def test_versions_are_listed_with_scores(bench: Bench) -> None:
    assert bench.run("improve", "history", "assistant") == Code.DONE
    assert "proposed" in bench.out
    assert "96.2 %" in bench.out
    assert bench.run("improve", "history", "assistant", "--json") == Code.DONE
    assert [each["state"] for each in json.loads(bench.out)] == ["proposed", "live"]


def test_a_run_is_shown_promoted_and_resumed(bench: Bench, loop: FakeImprove) -> None:
    bench.run("improve", "assistant", "--detach")
    run_id = bench.edge.jobs.list()[0].id
    loop.run = replace_run(run_at(None, run_id))
    assert bench.run("improve", "show", run_id[:6], "--json") == Code.DONE
    assert json.loads(bench.out)["evidence"][0]["question"] == "Who founded the museum?"
    assert bench.run("improve", "promote", run_id) == Code.DONE
    assert "qwen3-4b@assistant-v2, which was qwen3-4b" in bench.out
    loop.is_closed = True
    assert bench.run("improve", "promote", run_id) == Code.ANSWER_IS_NO
    assert bench.run("improve", "promote", "zzz") == Code.NOT_FOUND
    assert bench.run("improve", "resume", run_id) == Code.DONE


def test_the_timer_is_written_and_the_one_command_is_said(bench: Bench, loop: FakeImprove) -> None:
    assert bench.run("improve", "schedule", "assistant", "--weekly", "--on-mains", "--when-idle") == Code.DONE
    assert loop.scheduled == [("assistant", Schedule(every="week", on_mains=True, when_idle=True))]
    assert "/units/a.timer" in bench.out
    assert "systemctl --user enable --now a.timer" in bench.out
    assert bench.run("improve", "schedule", "assistant", "--daily", "--json") == Code.DONE
    assert loop.scheduled[1][1] == Schedule(every="day")
    assert (
        bench.run("improve", "schedule", "assistant", "--tenant", "k1", "--policy", "p.toml", "--docs", "a")
        == Code.DONE
    )
    assert loop.scheduled[2][1] == Schedule(tenant="k1", policy=Path("p.toml"), collections=("a",))
    assert bench.run("improve", "schedule", "assistant", "--remove") == Code.DONE
    assert "disable" in bench.out


def test_a_plan_that_was_measured_says_how_long(bench: Bench, loop: FakeImprove) -> None:
    bench.run("improve", "assistant", "--dry-run")
    assert "about 150 steps of training, 7:30" in bench.out
    loop.to_plan = replace(PLAN, seconds=None, memory_bytes=None)
    bench.run("improve", "assistant", "--dry-run")
    assert "not known yet" in bench.out
