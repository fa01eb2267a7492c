"""The gate: what passes, what does not, and with which numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from edgellm.evals.gate import Line, gate
from edgellm.evals.outcome import compare_all, outcome
from edgellm.evals.policy import PeopleRule, Policy, Rule, SpeedRule
from edgellm.evals.preference import NOBODY, People, preferred
from edgellm.evals.run import Run, SubjectRecord, SuiteRecord
from edgellm.evals.speed import Speeds
from edgellm.evals.values import Result
from tests.unit.evals.fakes import result
from tests.unit.evals.test_preference import pairs, vote

NEW, NOW = "new", "now"
Answers = dict[str, list[Result]]


def answers(*values: float, suite: str = "towns", **measures: float) -> Answers:
    """A suite's answers with these values, each with the same measures."""
    return {suite: [result(value, f"{at}", group=f"{at}", measures=measures) for at, value in enumerate(values)]}


def run(ours: Answers, theirs: Answers | None = None) -> Run:
    every = {NEW: ours} if theirs is None else {NEW: ours, NOW: theirs}
    return Run(
        id="r1",
        created="",
        edgellm="0",
        suites=tuple(
            SuiteRecord(name=name, version="", description="", path="", sha256="", cases=len(results))
            for name, results in ours.items()
        ),
        subjects=tuple(SubjectRecord(name=name, target=name, identity="") for name in every),
        outcomes=tuple(outcome(suite, name, by[suite]) for name, by in every.items() for suite in by),
        comparisons=tuple(compare_all(ours, theirs, NEW, NOW)) if theirs is not None else (),
    )


def lines(found: Run, *rules: dict[str, Any]) -> tuple[Line, ...]:
    return gate(Policy(path="p", description="", rules=tuple(Rule(**rule) for rule in rules)), found).lines


BETTER: dict[str, Any] = {"suite": "towns", "change": "better"}
NOT_WORSE: dict[str, Any] = {"suite": "towns", "change": "not worse"}
GOOD, BAD, MIXED = answers(*[1.0] * 20), answers(*[0.0] * 20), answers(*[1.0, 0.0] * 10)


@pytest.mark.parametrize(
    ("ours", "theirs", "better", "not_worse"),
    [(GOOD, BAD, True, True), (BAD, GOOD, False, False), (MIXED, MIXED, False, True)],
)
def test_changes_are_those_of_the_paired_test(ours: Answers, theirs: Answers, better: bool, not_worse: bool) -> None:
    assert [line.holds for line in lines(run(ours, theirs), BETTER, NOT_WORSE)] == [better, not_worse]


def test_one_rule_that_does_not_hold_is_enough() -> None:
    policy = Policy(path="p", description="", rules=(Rule(**NOT_WORSE), Rule(suite="towns", at_least=1.01)))
    verdict = gate(policy, run(GOOD, GOOD))
    assert [line.holds for line in verdict.lines] == [True, False]
    assert not verdict.passed
    assert "100.0 %" in verdict.lines[1].found


@pytest.mark.parametrize(("value", "holds"), [(10.2, True), (10.3, False)])
def test_a_measure_is_held_against_the_current_one(value: float, holds: bool) -> None:
    found = run(answers(1.0, tokens=1.0, nats=-math.log(value)), answers(1.0, tokens=1.0, nats=-math.log(10.0)))
    (line,) = lines(found, {"suite": "towns", "measure": "perplexity", "ratio_at_most": 1.025})
    assert (line.holds, line.rule) == (holds, "perplexity at most 1.025 times the current")
    assert "against 10.00" in line.found


def test_what_was_not_measured_does_not_hold() -> None:
    found = run(GOOD, GOOD)
    rules: list[dict[str, Any]] = [
        {"suite": "missing", "change": "not worse"},
        {"suite": "towns", "measure": "perplexity", "at_most": 20.0},
        {"suite": "towns", "measure": "perplexity", "ratio_at_most": 1.0},
    ]
    assert [line.holds for line in lines(found, *rules)] == [False, False, False]


def test_a_first_version_has_nothing_to_compare_with_and_is_still_bounded() -> None:
    first, bounded = lines(run(BAD), NOT_WORSE, {"suite": "towns", "at_least": 0.5})
    assert first.holds
    assert "no current version" in first.found
    assert not bounded.holds


def test_a_star_is_every_suite_without_a_rule_of_its_own() -> None:
    ours = GOOD | answers(*[0.0] * 20, suite="fair")
    theirs = BAD | answers(*[1.0] * 20, suite="fair")
    found = lines(run(ours, theirs), BETTER, {"suite": "*", "change": "not worse"})
    assert [(line.suite, line.holds) for line in found] == [("towns", True), ("fair", False)]


def own(found: Run, said: People = NOBODY, **rules: Any) -> Line:
    """What the gate says to a rule without a suite; `said`: what people preferred."""
    verdict = gate(Policy(path="p", description="", rules=(), **rules), found, said)
    (line,) = verdict.lines
    return line


@pytest.mark.parametrize(("ours", "holds"), [(40.0, True), (36.5, True), (35.5, False)])
def test_speed_is_held_against_the_current_one(ours: float, holds: bool) -> None:
    measured = replace(run(GOOD, GOOD), speeds=Speeds(ours=(ours,) * 5, theirs=(40.0,) * 5))
    line = own(measured, speed=SpeedRule(ratio_at_least=0.9))
    assert line.holds == holds
    assert line.found == f"{ours:.1f} against 40.0 tok/s: {ours / 40:.3f}"


def test_speed_that_was_not_measured_does_not_hold_but_for_a_first_version() -> None:
    rule = SpeedRule(ratio_at_least=0.9)
    assert (own(run(GOOD, GOOD), speed=rule).holds, own(run(GOOD), speed=rule).holds) == (False, True)


def voted(won: int, lost: int) -> People:
    asked = pairs(won + lost, NEW, NOW)
    cast = [vote(pair, NEW if number < won else NOW) for number, pair in enumerate(asked)]
    return People(votes=len(cast), preferred=(preferred(asked, cast),))


@pytest.mark.parametrize(("won", "lost", "holds"), [(20, 10, True), (15, 15, True), (10, 20, False), (20, 5, False)])
def test_people_must_be_enough_and_content(won: int, lost: int, holds: bool) -> None:
    line = own(run(GOOD, GOOD), voted(won, lost), people=PeopleRule(win_rate_at_least=0.5, votes_at_least=30))
    assert line.holds == holds
    assert f"by {won + lost} votes" in line.found


def test_nobody_voted_does_not_hold_but_for_a_first_version() -> None:
    rule = PeopleRule(win_rate_at_least=0.5, votes_at_least=1)
    assert (own(run(GOOD, GOOD), people=rule).holds, own(run(GOOD), people=rule).holds) == (False, True)
