"""The gate: does a run meet a policy; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgellm.evals.outcome import Compared, Outcome
from edgellm.evals.policy import EVERY_OTHER, PeopleRule, Policy, Rule, SpeedRule
from edgellm.evals.preference import NOBODY, People
from edgellm.evals.report import wording
from edgellm.evals.run import Run

SPEED, PEOPLE = "speed", "people"
"""What stands in place of a suite where a rule has none."""
NO_CURRENT = "there is no current version to compare with"


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


def gate(policy: Policy, run: Run, people: People = NOBODY) -> Verdict:
    """Judge the run's first subject against its first baseline.

    What was not measured does not hold. Without a baseline (a first version) comparisons have nothing to compare with:
    they hold and say so, bounds are checked. `people`: what they preferred in this run so far.
    """
    by_suite = [_line(rule, suite, run) for rule in policy.rules for suite in _suites(rule, policy, run)]
    lines = (*by_suite, *_speed(policy.speed, run), *_people(policy.people, run, people))
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
        return Line(suite=suite, rule=wanted, found=NO_CURRENT, holds=True)
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


def _speed(rule: SpeedRule | None, run: Run) -> Iterator[Line]:
    if rule is None:
        return
    wanted = f"tokens a second at least {rule.ratio_at_least:g} times the current"
    if len(run.subjects) == 1:
        yield Line(suite=SPEED, rule=wanted, found=NO_CURRENT, holds=True)
    elif run.speeds is None:
        yield Line(suite=SPEED, rule=wanted, found="it was not measured", holds=False)
    else:
        found = wording.speeds(run.speeds)
        yield Line(suite=SPEED, rule=wanted, found=found, holds=run.speeds.ratio >= rule.ratio_at_least)


def _people(rule: PeopleRule | None, run: Run, people: People) -> Iterator[Line]:
    if rule is None:
        return
    wanted = f"win rate at least {rule.win_rate_at_least:g} by at least {rule.votes_at_least} votes"
    if len(run.subjects) == 1:
        yield Line(suite=PEOPLE, rule=wanted, found=NO_CURRENT, holds=True)
        return
    ours, theirs = run.subjects[0].name, run.subjects[1].name
    found = next((each for each in people.preferred if (each.subject, each.baseline) == (ours, theirs)), None)
    if found is None or found.win_rate is None:
        yield Line(suite=PEOPLE, rule=wanted, found="nobody has voted on this run", holds=False)
        return
    holds = found.votes >= rule.votes_at_least and found.win_rate.mean >= rule.win_rate_at_least
    said = f"{wording.win_rate(found)} by {found.votes} votes"
    yield Line(suite=PEOPLE, rule=wanted, found=said, holds=holds)


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
