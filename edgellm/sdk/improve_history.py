"""What an alias stood for and what was proposed for it, with the scores that decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from edgellm.sdk.improve_lessons import AS_ASKED
from edgellm.sdk.improve_run import CORRECTED, ImproveRun, Rule, Score
from edgellm.store import AliasChange

if TYPE_CHECKING:  # numpy is loaded when something is evaluated
    from edgellm.evals.values import Result

FIRST = 1


class VersionState(StrEnum):
    """Where a version stands."""

    LIVE = "live"
    EARLIER = "earlier"
    """It was live."""
    PROPOSED = "proposed"
    """The gate lets it go live; nobody has decided yet."""
    REFUSED = "refused"
    """The gate does not let it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of what an alias stands for. Times are seconds since the epoch."""

    number: int
    """Counted from 1 in the order in which they came to be."""
    target: str
    state: VersionState
    at: float
    """When it was proposed; of one that was set by hand, when it first went live."""
    live_since: float | None
    """When it last went live; None: never."""
    run: str = ""
    """Id of the run that made it; empty: it was set by hand."""
    evaluation: str = ""
    new: int = 0
    """Reviewed items that it was the first to learn from."""
    rows: int = 0
    """Rows that it learnt from: all such items, and what the version before was taught."""
    compared: str = ""
    """What its scores are compared with."""
    scores: tuple[Score, ...] = ()
    rules: tuple[Rule, ...] = ()
    passed: bool | None = None
    report: str = ""
    """Path of the report with the answers side by side; empty where there is none."""

    @property
    def corrected(self) -> Score | None:
        """The score on the questions whose answers were corrected."""
        return next((score for score in self.scores if score.suite == CORRECTED), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A corrected question: what the version before answered, and what the candidate does."""

    question: str
    expected: str
    before: str
    """Empty without a version before."""
    after: str
    value: float
    """Of the candidate's answer, from 0 to 1."""
    before_value: float
    is_reworded: bool
    """Asked in words that were not learnt."""


def evidence(ours: Sequence[Result], theirs: Sequence[Result], expected: Mapping[str, str]) -> list[Evidence]:
    """The answers of both, in the order of the suite. `expected`: the corrections, by case."""
    other = {each.case_id: each for each in theirs}
    found = []
    for each in ours:
        before = other.get(each.case_id)
        found.append(
            Evidence(
                question=each.question,
                expected=expected.get(each.case_id, ""),
                before="" if before is None else before.said.text,
                after=each.said.text,
                value=each.value or 0.0,
                before_value=0.0 if before is None else before.value or 0.0,
                is_reworded=each.category != AS_ASKED,
            )
        )
    return found


def versions(changes: Sequence[AliasChange], runs: Sequence[ImproveRun], reports: Mapping[str, str]) -> list[Version]:
    """All versions of one alias, newest first.

    Args:
        changes: the alias's history, latest first; empty where it was never set.
        runs: the alias's runs in any order; those that have not been decided by the gate are left out.
        reports: path of the report by id of the evaluation.
    """
    current = changes[0].target if changes else None
    lived: dict[str, float] = {}
    first: dict[str, float] = {}
    for change in reversed(changes):
        if change.target is not None:
            lived[change.target] = change.at
            first.setdefault(change.target, change.at)
    decided = [run for run in runs if run.passed is not None]
    made = {run.request.target for run in decided}
    found = [_by_hand(target, at, lived[target], current) for target, at in first.items() if target not in made]
    found += [_made(run, lived.get(run.request.target), current, reports) for run in decided]
    found.sort(key=lambda each: each[0])
    return [version for _, version in _numbered(found)][::-1]


Entry = tuple[float, Version]


def _numbered(found: Sequence[Entry]) -> Iterator[Entry]:
    for number, (at, version) in enumerate(found, FIRST):
        yield at, replace(version, number=number)


def _by_hand(target: str, at: float, since: float, current: str | None) -> Entry:
    state = VersionState.LIVE if target == current else VersionState.EARLIER
    return at, Version(number=0, target=target, state=state, at=at, live_since=since)


def _made(run: ImproveRun, since: float | None, current: str | None, reports: Mapping[str, str]) -> Entry:
    target = run.request.target
    if target == current:
        state = VersionState.LIVE
    elif since is not None:
        state = VersionState.EARLIER
    else:
        state = VersionState.PROPOSED if run.passed else VersionState.REFUSED
    version = Version(
        number=0,
        target=target,
        state=state,
        at=run.created,
        live_since=since,
        run=run.id,
        evaluation=run.evaluation,
        new=run.new,
        rows=len(run.learnt) + run.replayed,
        compared=run.compared,
        scores=run.scores,
        rules=run.rules,
        passed=run.passed,
        report=reports.get(run.evaluation, ""),
    )
    return run.created, version
