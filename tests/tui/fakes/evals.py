"""Evaluations in memory: runs as a test made them, and blind pairs that take votes."""

# ruff: noqa: ARG002 - a fake takes the arguments of what it stands for

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgellm.errors import EdgeLLMError, NotFound
from edgellm.evals.blind import Choice, Pair, Shown, answer_of, pairs_of, sides
from edgellm.evals.preference import NOBODY, People, Preferred, people, preferred
from edgellm.evals.run import Run
from edgellm.evals.suite import SHIPPED, Suite
from edgellm.evals.values import Result
from edgellm.evals.votes import Vote
from edgellm.store.records import StoredJob
from tests.tui.fakes.jobs import FakeJobs
from tests.unit.evals.runs import OLD, suite

SEED, JUDGE = "seed", "Ana"


class FakeBlind:
    """One person's blind comparison; votes are kept by the run."""

    def __init__(self, evals: FakeEvals, pairs: Sequence[Pair]) -> None:
        self._evals, self._pairs = evals, pairs
        self._known = {pair.id: pair for pair in pairs if not pair.is_same}

    async def next(self) -> Shown | None:
        done = {vote.pair for vote in self._evals.votes}
        pair = next((pair for pair in self._known.values() if pair.id not in done), None)
        if pair is None:
            return None
        left, right = (answer_of(pair, name) for name in sides(pair, SEED, JUDGE))
        return Shown(
            id=pair.id, suite=pair.suite, question=pair.question, left=left, right=right,
            done=len(done), total=len(self._known),
        )  # fmt: skip

    async def vote(self, pair_id: str, choice: Choice, notes: Mapping[str, str] | None = None) -> Vote:
        if self._evals.failure is not None:
            raise self._evals.failure
        pair = self._known[pair_id]
        left, right = sides(pair, SEED, JUDGE)
        vote = Vote(
            pair=pair.id, suite=pair.suite, case_id=pair.case_id, sample=0, left=left, right=right,
            choice=choice, judge=JUDGE, at=0.0, notes=notes or {},
        )  # fmt: skip
        self._evals.votes.append(vote)
        return vote

    async def undo(self) -> str | None:
        return self._evals.votes.pop().pair if self._evals.votes else None

    async def result(self) -> Preferred:
        return preferred(self._pairs, self._evals.votes)


class FakeEvals:
    """Runs and suites that a test put here; `begun` is every run that was asked for."""

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.runs: list[Run] = []
        self.answers: dict[str, list[dict[str, list[Result]]]] = {}
        self.kept = [suite("ferry"), suite("general", 40, SHIPPED), suite("refusal", 24, SHIPPED)]
        self.begun: list[dict[str, Any]] = []
        self.votes: list[Vote] = []
        self.failure: EdgeLLMError | None = None
        """What refuses a run or a vote."""

    def keep(self, run: Run, answers: builtins.list[dict[str, builtins.list[Result]]]) -> None:
        """A run that has finished."""
        self.runs.insert(0, run)
        self.answers[run.id] = answers

    async def suites(self) -> Sequence[Suite]:
        return self.kept

    async def run(
        self, suites: Sequence[str | Path], *, on: str, against: Sequence[str] = (), judge: str | None = None
    ) -> StoredJob:
        if self.failure is not None:
            raise self.failure
        self.begun.append({"suites": tuple(suites), "on": on, "against": tuple(against), "judge": judge})
        arguments = {
            "subjects": [{"name": name} for name in (on, *against)],
            "suites": [{"path": str(p)} for p in suites],
        }
        return await self._jobs.start("evaluate", f"Evaluate {on}", arguments)

    async def list(self) -> Sequence[Run]:
        return self.runs

    async def results(self, run_id: str, suite: str, subject: int = 0) -> Sequence[Result]:
        return self.answers[run_id][subject][suite]

    async def report(self, run_id: str) -> Path:
        return Path(f"/evals/{run_id}/report.html")

    async def blind(self, run_id: str) -> FakeBlind:
        if run_id not in self.answers:
            raise NotFound(f"There is no run {run_id!r}.")
        return FakeBlind(self, self._pairs(run_id))

    async def people(self, run_id: str) -> People:
        return people([self._pairs(run_id)], self.votes, OLD) if self.votes else NOBODY

    async def export(self, run_id: str, form: str = "jsonl") -> str:
        return f"{form} of {len(self.votes)} votes\n"

    def _pairs(self, run_id: str) -> builtins.list[Pair]:
        run = next(run for run in self.runs if run.id == run_id)
        ours, theirs = self.answers[run_id][:2]
        return pairs_of(run.subjects[0].name, run.subjects[1].name, ours, theirs, SEED)
