"""The gate: does a run meet a policy; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgellm.evals.outcome import Compared, Outcome
from edgellm.evals.policy import EVERY_OTHER, Policy, Rule
from edgellm.evals.report import wording
from edgellm.evals.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One rule and whether it holds."""

    suite: str
    rule: str
    """What must hold, in words."""
    found: str
    """What was found, with its numbers."""
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says."""

    passed: bool
    run: str
    """Id of the run that it was decided by."""
    policy: str
    """The policy's file."""
    lines: tuple[Line, ...]


def gate(policy: Policy, run: Run) -> Verdict:
    """Judge the run's first subject against its first baseline.

    What was not measured does not hold. Without a baseline (a first version) comparisons have nothing to compare with:
    they hold and say so, bounds are checked.
    """
    lines = tuple(_line(rule, suite, run) for rule in policy.rules for suite in _suites(rule, policy, run))
    return Verdict(passed=all(line.holds for line in lines), run=run.id, policy=policy.path, lines=lines)


def _suites(rule: Rule, policy: Policy, run: Run) -> Iterator[str]:
    if rule.suite != EVERY_OTHER:
        yield rule.suite
        return
    for suite in run.suites:
        named = [other for other in policy.rules if other.suite == suite.name]
        if not any(bool(other.change) == bool(rule.change) and other.measure == rule.measure for other in named):
            yield suite.name


def _line(rule: Rule, suite: str, run: Run) -> Line:
    wanted = _words(rule)
    if suite not in [each.name for each in run.suites]:
        return Line(suite=suite, rule=wanted, found="it was not run", holds=False)
    if rule.needs_current and len(run.subjects) == 1:
        return Line(suite=suite, rule=wanted, found="there is no current version to compare with", holds=True)
    ours = run.outcome(suite, run.subjects[0].name)
    if rule.change:
        return _changed(rule, suite, run, wanted)
    if rule.needs_current:
        return _ratio(rule, ours, run.outcome(suite, run.subjects[1].name), wanted)
    return _bounded(rule, ours, wanted)


def _changed(rule: Rule, suite: str, run: Run, wanted: str) -> Line:
    baseline = run.subjects[1].name
    found = [each for each in run.comparisons if (each.suite, each.baseline) == (suite, baseline)]
    if not found:
        return Line(suite=suite, rule=wanted, found="nothing in it has a score", holds=False)
    return Line(suite=suite, rule=wanted, found=_compared(found[0]), holds=_holds(rule.change, found[0].word))


def _holds(change: str, word: str) -> bool:
    return word == "better" if change == "better" else word != "worse"


def _compared(found: Compared) -> str:
    return f"{found.word}: {wording.difference(found)}"


def _ratio(rule: Rule, ours: Outcome, theirs: Outcome, wanted: str) -> Line:
    value, before = ours.measures.get(rule.measure), theirs.measures.get(rule.measure)
    if value is None or before is None:
        return Line(suite=ours.suite, rule=wanted, found="it was not measured", holds=False)
    said = f"{wording.measure(rule.measure, value)} against {wording.measure(rule.measure, before)}"
    if not before:
        return Line(suite=ours.suite, rule=wanted, found=f"{said}: no ratio", holds=value == before)
    ratio = value / before
    holds = _within(ratio, rule.ratio_at_least, rule.ratio_at_most)
    return Line(suite=ours.suite, rule=wanted, found=f"{said}: {ratio:.3f}", holds=holds)


def _bounded(rule: Rule, ours: Outcome, wanted: str) -> Line:
    if rule.measure:
        value = ours.measures.get(rule.measure)
        said = "" if value is None else wording.measure(rule.measure, value)
    else:
        score = ours.tally.score
        value, said = (None, "") if score is None else (score.mean, wording.score(ours.tally))
    if value is None:
        return Line(suite=ours.suite, rule=wanted, found="it was not measured", holds=False)
    return Line(suite=ours.suite, rule=wanted, found=said, holds=_within(value, rule.at_least, rule.at_most))


def _within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _words(rule: Rule) -> str:
    """`perplexity at most 1.02 times the current`."""
    if rule.change:
        return rule.change
    subject = wording.label(rule.measure) if rule.measure else "score"
    bounds = [
        (rule.at_least, "at least {:g}"),
        (rule.at_most, "at most {:g}"),
        (rule.ratio_at_least, "at least {:g} times the current"),
        (rule.ratio_at_most, "at most {:g} times the current"),
    ]
    return f"{subject} {' and '.join(words.format(bound) for bound, words in bounds if bound is not None)}"
