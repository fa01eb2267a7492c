"""The loop with stages that only note what they do, in a process that can be killed: HOME RUN POINT."""

# ruff: noqa: ARG002 - stands for the real stages, with their arguments

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from edgellm.events import JobEvent, Progressed
from edgellm.paths import Home, home_from
from edgellm.sdk.improve_job import Begun, Loop, Step
from edgellm.sdk.improve_run import ImproveRequest, ImproveRun, Rule, Score, StageName, read_run
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.work import Work
from edgellm.store import StoredJob, open_store

LONG: tuple[StageName, ...] = ("documents", "train", "evaluate")
REQUEST = ImproveRequest(
    alias="assistant", tenant="", live="starter", base="starter", candidate="assistant-v1", policy="/p.toml"
)
SCORE = Score(suite="corrected", mean=0.9, low=0.8, high=0.95, before=0.1, word="better")


class Parts:
    """Notes every effect; ends its own process at one point, without a word."""

    def __init__(self, home: Home, jobs: Jobs, point: str) -> None:
        self._log, self.jobs, self._point = home.data / "effects.log", jobs, point

    def reach(self, point: str) -> None:
        if point == self._point:
            os.kill(os.getpid(), signal.SIGKILL)

    def _effect(self, name: str) -> None:
        self.reach(f"{name}:before")
        with self._log.open("a") as log:
            log.write(f"{name}\n")
        self.reach(f"{name}:after")

    def collect(self, run: ImproveRun) -> Step:
        self._effect("collect")
        return Step(note="3 new", changes={"learnt": ("a", "b", "c"), "new": 3})

    def dataset(self, run: ImproveRun) -> Step:
        assert run.new == 3
        self._effect("dataset")
        return Step(note="3 rows")

    def begun(self, name: StageName, run: ImproveRun) -> list[Begun]:
        def start() -> StoredJob:
            self._effect(name)
            arguments = {"steps": 6, "step_s": 0.05, "stage": name}
            job = self.jobs.start("selftest", name, arguments)
            self.reach(f"{name}:started")
            return job

        def fits(arguments: Mapping[str, Any]) -> bool:
            return arguments.get("stage") == name

        return [Begun(kind="selftest", start=start, fits=fits)]

    def is_done(self, name: StageName, run: ImproveRun) -> bool:
        return False

    def ended(self, name: StageName, run: ImproveRun) -> Step:
        self.reach(f"{name}:ended")
        assert self.jobs.get(run.stage(name).jobs[-1]).result == {"steps": 6}
        return Step(note="done", changes={"evaluation": "e1"} if name == "evaluate" else {})

    def gate(self, run: ImproveRun) -> tuple[bool, tuple[Rule, ...], tuple[Score, ...]]:
        self._effect("gate")
        return True, (Rule(suite="corrected", rule="better", found="better", holds=True),), (SCORE,)

    def propose(self, run: ImproveRun) -> Step:
        self._effect("propose")
        return Step(note="may go live")


def attempt(home: Home, run_id: str, point: str = "") -> dict[str, Any]:
    """One attempt at the run."""
    with open_store(home.store) as store:
        parts = Parts(home, Jobs(home, lambda: store), point)

        def emit(event: JobEvent) -> None:
            if isinstance(event, Progressed) and event.done == 2:
                stage = read_run(home, run_id).current
                parts.reach(f"{stage.name if stage else ''}:working")

        work = Work(home, home.jobs / run_id, plain(), emit)
        return Loop(work, parts).run()


def plain() -> dict[str, Any]:
    """The job's arguments."""
    found: dict[str, Any] = msgspec.to_builtins(REQUEST)
    return found


if __name__ == "__main__":
    attempt(home_from({"EDGELLM_HOME": str(Path(sys.argv[1]))}), sys.argv[2], sys.argv[3])
