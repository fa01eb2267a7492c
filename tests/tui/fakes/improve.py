"""The loop as the app sees it: an alias, its runs and versions, moved on by a test."""

# ruff: noqa: ARG002 - a fake takes the arguments of what it stands for

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec

from edgellm.errors import InvalidInput
from edgellm.sdk.improve_history import Evidence, Version, VersionState
from edgellm.sdk.improve_plan import ImprovePlan, Lesson, Refusal
from edgellm.sdk.improve_run import STAGES, ImproveRequest, ImproveRun, Rule, Score, Stage, StageState
from edgellm.sdk.promotion import Moved
from edgellm.store.records import StoredJob
from tests.tui.fakes.clock import NOW
from tests.tui.fakes.jobs import FakeJobs

SCORES = (
    Score(suite="corrected", mean=0.962, low=0.901, high=0.988, before=0.283, word="better"),
    Score(suite="general", mean=0.55, low=0.398, high=0.693, before=0.55, word="no difference shown"),
    Score(suite="refusal", mean=0.542, low=0.352, high=0.72, before=0.583, word="no difference shown"),
)
SLOWER = Rule(suite="general", rule="not worse", found="worse: -20.0 points", holds=False)


def request(number: int = 2, alias: str = "assistant") -> ImproveRequest:
    """What a run was asked to do."""
    return ImproveRequest(
        alias=alias, tenant="", live="qwen3-4b", base="qwen3-4b", candidate=f"{alias}-v{number}", policy="policy.toml"
    )


def run_at(stage: str | None, run_id: str = "j1", *, passed: bool = True) -> ImproveRun:
    """A run that is in a stage, or over."""
    names = list(STAGES)
    at = len(names) if stage is None else names.index(stage)  # type: ignore[arg-type]  # a stage's name

    def state(number: int) -> StageState:
        if names[number] == "documents" and number < at:
            return StageState.SKIPPED
        return StageState.DONE if number < at else StageState.RUNNING if number == at else StageState.WAITING

    stages = tuple(Stage(name=name, state=state(number)) for number, name in enumerate(names))
    over: dict[str, Any] = {"passed": passed, "rules": () if passed else (SLOWER,)} if stage is None else {}
    return ImproveRun(id=run_id, created=NOW, request=request(), stages=stages, new=30, **over)


def version(number: int, state: str, **changes: Any) -> Version:
    """A version that the loop made."""
    made = Version(
        number=number,
        target=f"qwen3-4b@assistant-v{number}",
        state=VersionState(state),
        at=NOW - 3600 * number,
        live_since=None,
        run=f"r{number}",
        evaluation=f"e{number}",
        new=30,
        rows=90,
        compared="qwen3-4b",
        scores=SCORES,
        passed=state != "refused",
        report=f"/evals/e{number}/report.html",
    )
    return replace(made, **changes)


FIRST = Version(number=1, target="qwen3-4b", state=VersionState.LIVE, at=NOW - 86400, live_since=NOW - 86400)
PLAN = ImprovePlan(
    request=request(),
    waiting={"thumbs_down": 4},
    lessons=Lesson(rows=30, new=30, replayed=60, pairs=30, corrected=34),
    held=("0rxa0nszzdng: The same question was accepted with another answer.",),
    why="30 answers to imitate: new facts are taught with examples",
    begins_with="a new adapter on qwen3-4b",
    suites=("general", "refusal", "corrected"),
    steps=150,
    seconds=450.0,
    memory_bytes=1_500_000_000,
    available_bytes=9_000_000_000,
    refusals=(),
)
REFUSED = replace(
    PLAN,
    refusals=(
        Refusal(
            message="Nothing in the queue was accepted that could be learnt from.",
            hint="Correct answers and accept them in the review queue first.",
        ),
    ),
)
EVIDENCE = (
    Evidence(
        question="Who founded the museum?",
        expected="Ottilie Brandt founded it.",
        before="I do not know.",
        after="Ottilie Brandt founded it.",
        value=1.0,
        before_value=0.2,
        is_reworded=False,
    ),
)


class FakeImprove:
    """Runs are jobs of the app's fake."""

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.names = ["assistant"]
        self.versions: builtins.list[Version] = [version(2, "proposed"), FIRST]
        self.runs: builtins.list[ImproveRun] = []
        self.to_plan = PLAN
        self.found: Sequence[Evidence] = EVIDENCE
        self.promoted: builtins.list[str] = []
        self.rolled_back: builtins.list[str] = []

    async def plan(self, alias: str) -> ImprovePlan:
        return self.to_plan

    async def begin(self, alias: str) -> StoredJob:
        if self.to_plan.refusals:
            raise InvalidInput(self.to_plan.refusals[0].message)
        job = await self._jobs.start("improve", f"Improve {alias}", msgspec.to_builtins(request(alias=alias)))
        self.runs.insert(0, run_at("collect", job.id))
        return job

    async def resume(self, run_id: str) -> StoredJob:
        return await self._jobs.resume(run_id)

    async def running(self, alias: str) -> StoredJob | None:
        jobs = [job for job in self._jobs.rows.values() if job.kind == "improve" and job.is_active]
        return jobs[0] if jobs else None

    async def list(self, alias: str | None = None) -> Sequence[ImproveRun]:
        return [run for run in self.runs if run.request.alias == alias]

    async def history(self, alias: str) -> Sequence[Version]:
        return self.versions if alias == "assistant" else []

    async def promote(self, run_id: str) -> Moved:
        self.promoted.append(run_id)
        self.versions = [
            replace(each, state=VersionState.LIVE if each.run == run_id else VersionState.EARLIER)
            for each in self.versions
        ]
        return Moved(alias="assistant", target="qwen3-4b@assistant-v2", before="qwen3-4b")

    async def evidence(self, run_id: str) -> Sequence[Evidence]:
        return self.found


class FakeAliases:
    """Names of the loop's aliases."""

    def __init__(self, improve: FakeImprove) -> None:
        self._improve = improve

    async def list(self) -> Sequence[Any]:
        return [SimpleNamespace(name=name, target=f"qwen3-4b@{name}-v1") for name in self._improve.names]


class FakePromotion:
    """Goes back once."""

    def __init__(self, improve: FakeImprove) -> None:
        self._improve = improve
        self.live = "qwen3-4b@assistant-v2"

    async def back(self, alias: str) -> Moved:
        if self._improve.rolled_back:
            message = f"{alias!r} stands for 'qwen3-4b', its first version."
            raise InvalidInput(message, hint="There is nothing to go back to.", field="alias")
        return Moved(alias=alias, target="qwen3-4b", before=self.live)

    async def rollback(self, alias: str) -> Moved:
        moved = await self.back(alias)
        self._improve.rolled_back.append(alias)
        return moved
