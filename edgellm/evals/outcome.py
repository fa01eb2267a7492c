"""One suite on one subject, summed up, and two subjects compared on the same cases; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgellm.evals.measures import measures_of, spans_of
from edgellm.evals.statistics import Comparison, Interval, compare, holm, interval, word
from edgellm.evals.values import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A score over some cases."""

    cases: int
    answers: int
    score: Interval | None
    """None where nothing has a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One suite on one subject."""

    suite: str
    subject: str
    tally: Tally
    categories: Mapping[str, Tally]
    """By category, in the order of the suite; empty where the suite has none."""
    measures: Mapping[str, float]
    spans: Mapping[str, Interval] = field(default_factory=dict)
    """The intervals of those measures that are shares; a run of an earlier version has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A suite on two subjects."""

    suite: str
    subject: str
    baseline: str
    difference: Comparison
    p_corrected: float
    """For the number of comparisons with this baseline (Holm)."""
    word: str
    """`better`, `worse` or `no difference shown`, at 5 %."""


@dataclass(frozen=True, slots=True)
class Change:
    """One answer of the subject beside the baseline's."""

    ours: Result
    theirs: Result

    @property
    def difference(self) -> float:
        """Value of ours minus value of theirs."""
        return (self.ours.value or 0.0) - (self.theirs.value or 0.0)


def outcome(suite: str, subject: str, results: Sequence[Result]) -> Outcome:
    """Sum up the results of one suite on one subject."""
    names = dict.fromkeys(each.category for each in results)
    categories = {name: tally([each for each in results if each.category == name]) for name in names}
    return Outcome(
        suite=suite,
        subject=subject,
        tally=tally(results),
        categories=categories if set(names) != {""} else {},
        measures=measures_of(results),
        spans=spans_of(results),
    )


def tally(results: Sequence[Result]) -> Tally:
    """The mean value with its interval."""
    valued = [(each.value, each.group) for each in results if each.value is not None]
    score = interval([value for value, _ in valued], [group for _, group in valued]) if valued else None
    return Tally(cases=len({each.case_id for each in results}), answers=len(results), score=score)


def compare_all(
    ours: Mapping[str, Sequence[Result]], theirs: Mapping[str, Sequence[Result]], subject: str, baseline: str
) -> list[Compared]:
    """Every suite that has values on both, by suite; p-values are corrected for their number."""
    found = []
    for suite, results in ours.items():
        changes = [each for each in paired(results, theirs[suite]) if None not in (each.ours.value, each.theirs.value)]
        if changes:
            difference = compare(
                [each.ours.value or 0.0 for each in changes],
                [each.theirs.value or 0.0 for each in changes],
                [each.ours.group for each in changes],
            )
            found.append(
                Compared(
                    suite=suite,
                    subject=subject,
                    baseline=baseline,
                    difference=difference,
                    p_corrected=difference.p,
                    word="",
                )
            )
    corrected = holm([each.difference.p for each in found])
    return [
        replace(each, p_corrected=p, word=word(each.difference.difference, p))
        for each, p in zip(found, corrected, strict=True)
    ]


def paired(ours: Sequence[Result], theirs: Sequence[Result]) -> list[Change]:
    """Answers to the same case and sample side by side."""
    by_case = {(each.case_id, each.sample): each for each in theirs}
    return [Change(each, by_case[each.case_id, each.sample]) for each in ours if (each.case_id, each.sample) in by_case]


def regressions(changes: Sequence[Change], most: int) -> list[Change]:
    """The worst first: where ours lost most against theirs."""
    lost = [each for each in changes if each.difference < 0]
    return sorted(lost, key=lambda each: each.difference)[:most]
