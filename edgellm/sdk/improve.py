"""The loop from feedback to the next version: planned, run as a job, proposed; its history and its timer."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any, Unpack

import msgspec

from edgellm.errors import InvalidInput, NotFound
from edgellm.file_lock import locked
from edgellm.sdk.improve_history import Evidence, Version, evidence, versions
from edgellm.sdk.improve_plan import ImprovePlan
from edgellm.sdk.improve_planning import (
    KIND,
    ImproveOptions,
    Means,
    Planning,
    learnt_by,
    refuse_second,
    running,
    runs_of,
    target_of_alias,
    unknown,
)
from edgellm.sdk.improve_run import CORRECTED, POLICY, SUITE, ImproveRun, Objective, folder_of, read_run
from edgellm.sdk.promotion import Moved
from edgellm.sdk.schedule import Schedule, Scheduled, timer_files
from edgellm.store import AliasChange, StoredJob
from edgellm.store.audit import LOCAL


class Improve:
    """Errors: InvalidInput, NotFound, DataRejected, ModelNotFound, JobError, StoreError."""

    def __init__(self, means: Means) -> None:
        self._means, self._home, self._jobs = means, means.home, means.jobs

    def plan(self, alias: str, **options: Unpack[ImproveOptions]) -> ImprovePlan:
        """What a run would do, and what speaks against it; changes nothing.

        Raises: NotFound for an alias that stands for nothing; InvalidInput, DataRejected for options.
        """
        return Planning(self._means, alias, options).plan()

    def begin(self, alias: str, **options: Unpack[ImproveOptions]) -> StoredJob:
        """Begin a run: collect, dataset, documents, train, evaluate, gate, propose.

        The job's id is the run's. Raises: InvalidInput with the plan's first refusal, before there is a job.
        """
        with locked(self._home.improve / ".begin.lock"):
            plan = self.plan(alias, **options)
            plan.check()
            arguments: dict[str, Any] = msgspec.to_builtins(plan.request)
            return self._jobs.start(KIND, f"Improve {alias}: {plan.request.candidate}", arguments)

    def resume(self, run_id: str) -> StoredJob:
        """Go on with a run that broke off or was stopped, where it was. Raises: InvalidInput while another runs."""
        with locked(self._home.improve / ".begin.lock"):
            job = self._job(run_id)
            refuse_second(self.running(str(job.arguments.get("alias"))))
            return self._jobs.resume(job.id)

    def running(self, alias: str) -> StoredJob | None:
        """The job that improves an alias now."""
        return running(self._jobs, alias)

    def list(self, alias: str | None = None) -> builtins.list[ImproveRun]:
        """Runs, newest first."""
        return runs_of(self._home, alias)

    def get(self, run_id: str) -> ImproveRun:
        """A run as far as it is; its job says whether it goes on. Raises: NotFound."""
        return read_run(self._home, run_id)

    def history(self, alias: str) -> builtins.list[Version]:
        """Versions of an alias with their scores, newest first; proposals that were never live among them."""
        runs = self.list(alias)
        reports = {run.evaluation: str(self._home.evals / run.evaluation / "report.html") for run in runs}
        changes = self._changes(alias)
        if not changes and not runs:
            raise unknown(alias)
        return versions(changes, runs, reports)

    def promote(self, run_id: str, *, actor: str = LOCAL) -> Moved:
        """Let the alias stand for what a run proposes, by the policy as it was then.

        Raises: InvalidInput while the run has not come to its end, or when the alias moved since; GateClosed.
        """
        run = self.get(run_id)
        if run.passed is None:
            raise InvalidInput(f"The run {run_id!r} has not come to the gate yet.", hint="Resume it.", field="run")
        policy = folder_of(self._home, run.id) / POLICY
        return self._means.promotion.promote(run.evaluation, run.request.alias, policy, actor=actor)

    def evidence(self, run_id: str) -> builtins.list[Evidence]:
        """What was asked of the candidate and of the version before where an answer was corrected, side by side.

        Raises: NotFound; InvalidInput while the run has not been evaluated.
        """
        run = self.get(run_id)
        if not run.evaluation:
            raise InvalidInput(f"The run {run_id!r} has asked nothing yet.", hint="Resume it.", field="run")
        if CORRECTED not in [each.name for each in self._means.evals.get(run.evaluation).suites]:
            return []
        ours = self._means.evals.results(run.evaluation, CORRECTED)
        theirs = self._means.evals.results(run.evaluation, CORRECTED, 1) if run.compared else []
        cases = [
            msgspec.json.decode(line) for line in (folder_of(self._home, run.id) / SUITE).read_bytes().splitlines()
        ]
        return evidence(ours, theirs, {case["id"]: case.get("expected") or case["rubric"] for case in cases})

    def learnt_by(self, target: str, objective: Objective = "sft") -> tuple[str, ...]:
        """Ids of the reviewed items that a version learnt from by an objective; none for one that no run made."""
        return learnt_by(self._home, target, objective)

    def schedule(self, alias: str, schedule: Schedule, folder: Path | None = None) -> Scheduled:
        """Write the files by which the system's own timer improves an alias; it is enabled by a command of its own.

        `folder`: None takes the user's own folder for such files. Raises: NotFound; InvalidInput where this system's
        timer is not known.
        """
        target_of_alias(self._means, alias)
        return timer_files(self._home, alias, schedule, folder).write()

    def unschedule(self, alias: str, folder: Path | None = None) -> Scheduled:
        """Remove these files. Raises: NotFound when there are none."""
        return timer_files(self._home, alias, Schedule(), folder).remove()

    def _job(self, run_id: str) -> StoredJob:
        job = self._jobs.get(run_id)
        if job.kind != KIND:
            raise NotFound(f"The job {run_id!r} is no run of the loop.", hint="See: edgellm jobs list", id=run_id)
        return job

    def _changes(self, alias: str) -> builtins.list[AliasChange]:
        try:
            return self._means.aliases.history(alias)
        except NotFound:
            return []
