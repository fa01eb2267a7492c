"""The loop as a job: its stages in order, each kept when it is over, so that a later attempt goes on there.

What takes long is done by jobs of its own, whose ids are kept before they are waited for. A job outlives whoever
began it: a run that is killed finds its jobs again, waits for those that go on, resumes those that broke off, and takes
the results of those that have ended. Nothing is done twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from edgellm.errors import EdgeLLMError, JobError, error_types
from edgellm.events import Cancelled, Failed, Finished, Started
from edgellm.sdk.improve_run import (
    STAGES,
    ImproveRun,
    Rule,
    Score,
    Stage,
    StageName,
    StageState,
    read_run,
    request_from,
    summary,
    write_run,
)
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.work import CancelRequested, Emit, Work
from edgellm.store import JobState, StoredJob

TITLES: Mapping[StageName, str] = {
    "collect": "Collecting what was accepted",
    "dataset": "Making the dataset",
    "documents": "Reading new documents",
    "train": "Teaching",
    "evaluate": "Asking the questions",
    "gate": "Asking the gate",
    "propose": "Proposing",
}
_LOOKED_AT = 200
"""Jobs, newest first, among which one is looked for that was begun and not noted."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a stage."""

    note: str
    changes: dict[str, Any] = {}
    """Fields of the run."""
    is_skipped: bool = False


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A job that does a stage's work: how it is begun, and how it is told from others."""

    kind: str
    start: Callable[[], StoredJob]
    fits: Callable[[Mapping[str, Any]], bool]
    """Whether a job with these arguments is this one."""


class Parts(Protocol):
    """What the stages do; tests hand in others. Methods raise EdgeLLMError and its kinds."""

    jobs: Jobs

    def collect(self, run: ImproveRun) -> Step:
        """Freeze the lessons, the suite of corrected questions and the policy in the run's folder."""

    def dataset(self, run: ImproveRun) -> Step:
        """Make the dataset of the frozen lessons and of earlier rows."""

    def begun(self, name: StageName, run: ImproveRun) -> list[Begun]:
        """The jobs of a stage; none: it is skipped."""

    def is_done(self, name: StageName, run: ImproveRun) -> bool:
        """Whether what the jobs of a stage make is there already."""

    def ended(self, name: StageName, run: ImproveRun) -> Step:
        """What came of a stage whose jobs have ended."""

    def gate(self, run: ImproveRun) -> tuple[bool, tuple[Rule, ...], tuple[Score, ...]]:
        """What the gate says."""

    def propose(self, run: ImproveRun) -> Step:
        """Say what may go live; move the alias if that was asked for and the gate lets it."""


def improve(work: Work) -> dict[str, Any]:
    """Do a run of the loop, or go on with it. Returns: `summary` of the run."""
    from edgellm.sdk.facade import EdgeLLM  # the facade starts jobs, and this one uses it
    from edgellm.sdk.improve_parts import EdgeParts

    with EdgeLLM(home=work.home) as edge:
        return Loop(work, EdgeParts(edge, work.emit)).run()


def opened(work: Work) -> ImproveRun:
    """The run of a job, as far as it is. Raises: InvalidInput, DataRejected."""
    run_id = work.folder.name
    if (work.home.improve / run_id / "run.json").exists():
        return read_run(work.home, run_id)
    run = ImproveRun(id=run_id, created=time.time(), request=request_from(work.arguments))
    write_run(work.home, run)
    return run


class Loop:
    """One attempt at a run."""

    def __init__(self, work: Work, parts: Parts) -> None:
        self._work, self._parts = work, parts
        self._run = opened(work)

    def run(self) -> dict[str, Any]:
        """Do what is left. Raises: EdgeLLMError of the stage that failed."""
        for number, name in enumerate(STAGES, 1):
            if not self._run.stage(name).is_over:
                self._work.emit(Started(title=f"{TITLES[name]} ({number} of {len(STAGES)})"))
                self._do(name)
        return summary(self._work.home, self._run)

    def _do(self, name: StageName) -> None:
        stage = self._run.stage(name)
        began = stage.began or time.time()
        stage = msgspec.structs.replace(stage, state=StageState.RUNNING, began=began)
        self._keep(self._run.with_stage(stage))
        step = self._step(name)
        state = StageState.SKIPPED if step.is_skipped else StageState.DONE
        over = msgspec.structs.replace(self._run.stage(name), state=state, note=step.note, ended=time.time())
        self._keep(self._run.with_stage(over, **step.changes))

    def _step(self, name: StageName) -> Step:
        if name == "collect":
            return self._parts.collect(self._run)
        if name == "dataset":
            return self._parts.dataset(self._run)
        if name == "gate":
            passed, rules, scores = self._parts.gate(self._run)
            failed = sum(not rule.holds for rule in rules)
            note = "every rule holds" if passed else f"{failed} of {len(rules)} rules do not hold"
            return Step(note=note, changes={"passed": passed, "rules": rules, "scores": scores})
        if name == "propose":
            return self._parts.propose(self._run)
        for number, begun in enumerate(self._parts.begun(name, self._run)):
            self._finish(name, number, begun)
        return self._parts.ended(name, self._run)

    def _finish(self, name: StageName, number: int, begun: Begun) -> None:
        """Wait for a job of the stage, which is begun unless it was already."""
        if self._parts.is_done(name, self._run):
            return
        stage = self._run.stage(name)
        if number >= len(stage.jobs):
            job = self._found(begun, stage) or begun.start()
            self._keep(self._run.with_stage(msgspec.structs.replace(stage, jobs=(*stage.jobs, job.id))))
        else:
            job = self._parts.jobs.get(stage.jobs[number])
            if job.state in (JobState.FAILED, JobState.CANCELLED):
                self._parts.jobs.resume(job.id)
        self._follow(job.id)

    def _found(self, begun: Begun, stage: Stage) -> StoredJob | None:
        """The job, if an attempt that was killed had begun it and not noted so."""
        for job in self._parts.jobs.list(limit=_LOOKED_AT):
            if job.created_at < (stage.began or 0.0):
                return None
            if job.kind == begun.kind and job.id not in stage.jobs and begun.fits(job.arguments):
                return job
        return None

    def _follow(self, job_id: str) -> None:
        try:
            wait(self._parts.jobs, job_id, self._work.emit)
        except CancelRequested:
            self._parts.jobs.cancel(job_id)
            raise

    def _keep(self, run: ImproveRun) -> None:
        self._run = run
        write_run(self._work.home, run)


def wait(jobs: Jobs, job_id: str, emit: Emit) -> dict[str, Any]:
    """The result of a job, what it says passed on meanwhile. Raises: what it failed of; JobError when it was ended."""
    for event in jobs.follow(job_id):
        if isinstance(event, Finished):
            return event.result
        if isinstance(event, Failed):
            raise error_types().get(event.error, EdgeLLMError)(event.message)
        if isinstance(event, Cancelled):
            break
        emit(event)
    raise JobError("The job of this stage was cancelled.", hint="Resume the run; it goes on there.", id=job_id)
