"""The loop's stages: killed anywhere and resumed, nothing is done twice."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from edgellm.errors import InvalidInput, JobError
from edgellm.events import JobEvent
from edgellm.paths import Home, home_from
from edgellm.sdk.improve_job import Begun, Loop, Step
from edgellm.sdk.improve_run import STAGES, ImproveRun, StageName, StageState, read_run, request_from
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.work import CancelRequested, Work
from edgellm.store import JobState, open_store
from tests.unit.sdk.improve_stages import LONG, Parts, attempt, plain

SHORT: tuple[StageName, ...] = ("collect", "dataset", "gate", "propose")
POINTS = (
    *(f"{name}:{where}" for name in SHORT for where in ("before", "after")),
    *(f"train:{where}" for where in ("before", "started", "working", "ended")),
    "documents:working",
    "evaluate:started",
)


@pytest.fixture
def home(edgellm_home: Path) -> Home:
    return home_from({"EDGELLM_HOME": str(edgellm_home)})


def killed(home: Home, point: str) -> int:
    root = str(home.data.parent)
    return subprocess.run(
        [sys.executable, "-m", "tests.unit.sdk.improve_stages", root, "r1", point], timeout=60, check=False
    ).returncode


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_it_goes_on_and_does_nothing_twice(home: Home, point: str) -> None:
    assert killed(home, point) == -9
    name, _, where = point.partition(":")
    stage = read_run(home, "r1").stage(name)  # type: ignore[arg-type]  # a stage's name
    assert stage.state is StageState.RUNNING
    result = attempt(home, "r1")
    assert [each["state"] for each in result["stages"]] == ["done"] * len(STAGES)
    assert (result["passed"], result["new"], result["evaluation"]) == (True, 3, "e1")
    done = Counter((home.data / "effects.log").read_text().split())
    again = {name} if where == "after" else set()  # a short stage whose end was not kept is made again, the same
    assert {each for each, times in done.items() if times > 1} == again
    with open_store(home.store) as store:
        jobs = store.jobs.list()
    assert Counter(job.arguments["stage"] for job in jobs) == dict.fromkeys(LONG, 1)
    assert {job.state for job in jobs} == {JobState.FINISHED}


def test_a_run_that_is_over_is_not_done_again(home: Home) -> None:
    first = attempt(home, "r1")
    assert attempt(home, "r1") == first
    assert Counter((home.data / "effects.log").read_text().split()) == dict.fromkeys(STAGES, 1)


class Cancelled(Parts):
    """Somebody cancels the run while a job of it works."""

    def __init__(self, home: Home, jobs: Jobs) -> None:
        super().__init__(home, jobs, "")
        self.is_cancelled = True

    def reach(self, point: str) -> None:
        if point == "train:working" and self.is_cancelled:
            raise CancelRequested


def test_cancelling_ends_the_job_of_the_stage_and_resuming_goes_on_with_it(home: Home) -> None:
    with open_store(home.store) as store:
        parts = Cancelled(home, Jobs(home, lambda: store))

        def emit(_event: JobEvent) -> None:
            if any(job.arguments["stage"] == "train" for job in store.jobs.list()):
                parts.reach("train:working")

        work = Work(home, home.jobs / "r1", plain(), emit)
        with pytest.raises(CancelRequested):
            Loop(work, parts).run()
        job = parts.jobs.get(read_run(home, "r1").stage("train").jobs[0])
        assert job.state is JobState.CANCELLED
        parts.is_cancelled = False
        Loop(work, parts).run()
        assert parts.jobs.get(job.id).state is JobState.FINISHED
        assert len(store.jobs.list()) == len(LONG)


class Failing(Parts):
    """A stage whose job fails."""

    def begun(self, name: StageName, run: ImproveRun) -> list[Begun]:
        if name != "train":
            return super().begun(name, run)
        start = lambda: self.jobs.start("selftest", name, {"steps": "many", "stage": name})  # noqa: E731
        return [Begun(kind="selftest", start=start, fits=lambda arguments: arguments.get("stage") == name)]


def test_a_stage_that_fails_says_why_and_what_was_done_stays(home: Home) -> None:
    with open_store(home.store) as store:
        parts = Failing(home, Jobs(home, lambda: store), "")
        work = Work(home, home.jobs / "r1", plain(), lambda _event: None)
        with pytest.raises(Exception, match="invalid literal"):
            Loop(work, parts).run()
    run = read_run(home, "r1")
    assert run.current is not None
    assert (run.current.name, run.current.state) == ("train", StageState.RUNNING)
    assert run.stage("dataset").state is StageState.DONE


class Skipping(Parts):
    """No documents are to be read."""

    def begun(self, name: StageName, run: ImproveRun) -> list[Begun]:
        return [] if name == "documents" else super().begun(name, run)

    def ended(self, name: StageName, run: ImproveRun) -> Step:
        return Step(note="none", is_skipped=True) if name == "documents" else super().ended(name, run)


def test_a_stage_with_nothing_to_do_is_skipped(home: Home) -> None:
    with open_store(home.store) as store:
        work = Work(home, home.jobs / "r1", plain(), lambda _event: None)
        Loop(work, Skipping(home, Jobs(home, lambda: store), "")).run()
    assert read_run(home, "r1").stage("documents").state is StageState.SKIPPED


def test_arguments_of_another_version_are_refused() -> None:
    with pytest.raises(InvalidInput, match="not understood"):
        request_from({"alias": "a"})


def test_a_job_that_somebody_ended_ends_the_run(home: Home) -> None:
    with open_store(home.store) as store:
        parts = Parts(home, Jobs(home, lambda: store), "")

        def emit(_event: JobEvent) -> None:
            for job in store.jobs.list():
                if job.arguments["stage"] == "evaluate":
                    parts.jobs.cancel(job.id)

        with pytest.raises(JobError, match="was cancelled"):
            Loop(Work(home, home.jobs / "r1", plain(), emit), parts).run()
