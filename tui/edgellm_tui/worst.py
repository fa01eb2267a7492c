"""The worst cases of an evaluation: where most was lost against the baseline, or what was most wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgellm_tui.ports import Edge

if TYPE_CHECKING:
    from edgellm.evals.run import Run
    from edgellm.evals.values import Result

MOST = 10
"""Cases of a suite."""


@dataclass(frozen=True, slots=True)
class Side:
    """An answer with whose it is and how it was judged."""

    name: str
    said: str
    text: str


@dataclass(frozen=True, slots=True)
class Worst:
    """A case with one answer, or with the baseline's beside it."""

    suite: str
    case_id: str
    question: str
    sides: tuple[Side, ...]
    loss: float
    """How much was lost, from 0 to 1."""


async def worst_of(edge: Edge, run: Run) -> list[Worst]:
    """The worst cases of all suites, the worst first. Raises: EdgeLLMError."""
    from edgellm.evals.outcome import paired, regressions  # deferred: they are loaded when something is evaluated

    found = list[Worst]()
    for suite in run.suites:
        ours = await edge.evals.results(run.id, suite.name, 0)
        if len(run.subjects) == 1:
            found += _wrong(run, suite.name, ours)
            continue
        theirs = await edge.evals.results(run.id, suite.name, 1)
        for change in regressions(paired(ours, theirs), MOST):
            both = zip(run.subjects, (change.ours, change.theirs), strict=False)
            sides = tuple(_side(subject.name, result) for subject, result in both)
            found.append(Worst(suite.name, change.ours.case_id, change.ours.question, sides, -change.difference))
    return sorted(found, key=lambda case: -case.loss)


def _wrong(run: Run, suite: str, results: Sequence[Result]) -> list[Worst]:
    missed = [result for result in results if result.value is not None and result.value < 1]
    missed.sort(key=lambda result: result.value or 0.0)
    return [
        Worst(suite, each.case_id, each.question, (_side(run.subjects[0].name, each),), 1 - (each.value or 0.0))
        for each in missed[:MOST]
    ]


def _side(name: str, result: Result) -> Side:
    from edgellm.evals.blind import written

    value = "" if result.value is None else f"{100 * result.value:.0f} %  "
    return Side(name, f"{value}{result.reason}", written(result.said))
