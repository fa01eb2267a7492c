"""Evaluations and suites as lines of lists, what a new run is made of, and what it will ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.errors import InvalidInput
from edgellm.safetext import clean_line
from edgellm_tui.ports import Edge
from edgellm_tui.render import meter

if TYPE_CHECKING:
    from edgellm.evals.run import Run
    from edgellm.evals.suite import Suite
    from edgellm.store.records import StoredJob

KIND = "evaluate"
"""Of the jobs that evaluate."""
DIM, FAINT = "$foreground 70%", "$foreground 55%"
_STATES = {
    "queued": ("waits", DIM),
    "running": ("asks", "$primary"),
    "finished": ("done", "$text-success"),
    "failed": ("failed", "$text-error"),
    "cancelled": ("stopped", "$text-warning"),
}
RESUMABLE = ("failed", "cancelled")
RUNS_HEAD = Content.styled(f"{'Model':<21}{'Against':<18}{'Suites':<16}{'State':<8}{'Begun':>8}", FAINT)
SUITES_HEAD = Content.styled(f"{'Suite':<21}{'Questions':>9}   {'Scores':<24}{'From':<14}", FAINT)


def cell(text: str, cells: int, look: str = DIM) -> Content:
    """Clean text in a column of this width, a blank at its end."""
    shown = Content.styled(clean_line(text), look).truncate(cells - 1, ellipsis=True)
    return shown + Content(" " * (cells - shown.cell_length))


@dataclass(frozen=True, slots=True)
class EvalRow:
    """An evaluation in the list: a job that goes on or failed, or a run that has finished."""

    name: str
    """Its id."""
    subject: str
    against: str
    suites: str
    state: str
    age: str
    message: str = ""
    """Why it failed."""
    run: Run | None = None

    @property
    def is_active(self) -> bool:
        """Whether it waits or asks."""
        return self.state in ("queued", "running")

    def line(self) -> Content:
        """Model, baselines, suites, state, age: what `RUNS_HEAD` names."""
        word, colour = _STATES.get(self.state, (self.state, "$foreground"))
        return Content("").join(
            [
                cell(self.subject, 21, "bold"),
                cell(self.against or "nothing", 18, DIM if self.against else FAINT),
                cell(self.suites, 16),
                cell(word, 8, colour),
                Content.styled(f"{self.age:>8}", "$foreground 50%"),
            ]
        )


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """A suite in the list."""

    name: str
    suite: Suite
    is_shipped: bool

    @property
    def questions(self) -> int:
        """How often it asks."""
        return questions(self.suite)

    def line(self) -> Content:
        """Name, questions, scores, whose it is: what `SUITES_HEAD` names."""
        scores = ", ".join(sorted({case.score for case in self.suite.cases}))
        whose = "EdgeLLM" if self.is_shipped else "this project"
        number = Content.styled(f"{self.questions:>9,}   ", DIM)
        return Content("").join([cell(self.name, 21, "bold"), number, cell(scores, 24), cell(whose, 14, FAINT)])


def questions(suite: Suite) -> int:
    """How often a suite asks: its cases with their samples."""
    return sum(case.samples for case in suite.cases)


def eval_rows(jobs: Sequence[StoredJob], runs: Sequence[Run], now: float) -> list[EvalRow]:
    """Finished runs, and jobs that are none yet, newest first; `now` in seconds since the epoch."""
    kept = {run.id for run in runs}
    found = [(datetime.fromisoformat(run.created).timestamp(), _of_run(run, now)) for run in runs]
    found += [
        (job.created_at, _of_job(job, now))
        for job in jobs
        if job.kind == KIND and job.id not in kept and job.state != "finished"
    ]
    return [row for _, row in sorted(found, key=lambda each: -each[0])]


def _of_run(run: Run, now: float) -> EvalRow:
    first, *others = [each.name for each in run.subjects]
    return EvalRow(
        name=run.id,
        subject=first,
        against=", ".join(others),
        suites=", ".join(each.name for each in run.suites),
        state="finished",
        age=meter.ago(now - datetime.fromisoformat(run.created).timestamp()),
        run=run,
    )


def _of_job(job: StoredJob, now: float) -> EvalRow:
    names = [str(each.get("name", "")) for each in job.arguments.get("subjects", ())] or [""]
    suites = [Path(str(each.get("path", ""))).stem for each in job.arguments.get("suites", ())]
    return EvalRow(
        name=job.id,
        subject=names[0],
        against=", ".join(names[1:]),
        suites=", ".join(suites),
        state=str(job.state),
        age=meter.ago(now - job.created_at),
        message=job.message or "",
    )


def suite_rows(suites: Sequence[Suite]) -> list[SuiteRow]:
    """The project's suites, then those that ship."""
    from edgellm.evals.suite import SHIPPED  # deferred: it is loaded when something is evaluated

    return [SuiteRow(each.name, each, Path(each.path).is_relative_to(SHIPPED)) for each in suites]


@dataclass(frozen=True, slots=True)
class EvalOffers:
    """What there is to choose from."""

    suites: tuple[SuiteRow, ...]
    models: tuple[str, ...]
    """As the SDK calls them, adapters included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRun:
    """What the form was filled in with."""

    suites: tuple[str, ...] = ()
    """Paths."""
    on: str = ""
    against: str = ""
    judge: str = ""


async def read_offers(edge: Edge) -> EvalOffers:
    """Suites, models and adapters. Raises: EdgeLLMError."""
    models = [model.name for model in await edge.models.list()]
    adapters = [adapter.reference for adapter in await edge.adapters.list()]
    return EvalOffers(tuple(suite_rows(await edge.evals.suites())), (*adapters, *models))


def asked_in_all(rows: Sequence[SuiteRow], wanted: WantedRun) -> str:
    """How much a run asks, in a sentence."""
    chosen = [row for row in rows if row.suite.path in wanted.suites]
    each = sum(row.questions for row in chosen)
    subjects = 2 if wanted.against else 1
    if not chosen:
        return "Choose what is asked: Space takes a suite, or leaves it out."
    whom = "both models" if wanted.against else "the model"
    told = f"{each:,} questions to {whom}: {each * subjects:,} answers. What was asked before is not asked again."
    return f"{told} A judge is asked twice a question." if needs_judge(chosen) else told


def needs_judge(rows: Sequence[SuiteRow]) -> bool:
    """Whether one of the suites is judged by a model."""
    return any(case.score == "judged" for row in rows for case in row.suite.cases)


def checked(wanted: WantedRun, rows: Sequence[SuiteRow]) -> WantedRun:
    """The same. Raises: InvalidInput for what cannot be begun."""
    if not wanted.suites:
        raise InvalidInput("No suite is chosen.", hint="Space takes the highlighted one.", field="suites")
    if not wanted.on:
        raise InvalidInput("Say which model is judged.", field="on")
    if needs_judge([row for row in rows if row.suite.path in wanted.suites]) and not wanted.judge:
        raise InvalidInput("One of these suites is judged by a model.", hint="Name the judge.", field="judge")
    return wanted
