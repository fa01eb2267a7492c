"""A run as Markdown: the same numbers, every answer in a block of code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edgellm.evals.outcome import paired, regressions
from edgellm.evals.preference import NOBODY, People
from edgellm.evals.report import wording
from edgellm.evals.report.html import WORST, Answers, cut
from edgellm.evals.run import Run, SuiteRecord
from edgellm.evals.unmeasured import NO_VOTES
from edgellm.evals.values import Result
from edgellm.safetext import clean, clean_line

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")


def markdown_report(run: Run, answers: Answers, people: People = NOBODY) -> str:
    """The whole text; `people`: what they preferred so far."""
    lines = [
        f"# Evaluation of {_inline(run.subjects[0].name)}",
        "",
        f"Run {_inline(run.id)}, {run.created}, EdgeLLM {_inline(run.edgellm)}.",
        "",
        *_scores(run),
        *_comparison(run),
        *_speeds(run),
        *_people(people),
        *(line for suite in run.suites for line in _suite(run, suite, answers)),
        "## What was not measured",
        "",
        *(f"- {_inline(each)}" for each in run.not_measured if not people.votes or each != NO_VOTES),
    ]
    return "\n".join(lines) + "\n"


def _scores(run: Run) -> Iterator[str]:
    names = [each.name for each in run.subjects]
    yield "## Scores"
    yield ""
    rows = [
        (suite.name, *(wording.score(run.outcome(suite.name, name).tally) for name in names)) for suite in run.suites
    ]
    yield from _table(("Suite", *names), rows)


def _comparison(run: Run) -> Iterator[str]:
    if run.comparisons:
        yield "## Against the baseline"
        yield ""
        rows = [(each.suite, each.baseline, wording.difference(each), each.word) for each in run.comparisons]
        yield from _table(("Suite", "Baseline", "Difference", ""), rows)


def _speeds(run: Run) -> Iterator[str]:
    if run.speeds is not None:
        yield "## Speed"
        yield ""
        names = f"{run.subjects[0].name} against {run.subjects[1].name}"
        found = f"{names}: {wording.speeds(run.speeds)}; asked in turn, median of {len(run.speeds.ours)} rounds."
        yield _inline(found)
        yield ""


def _people(people: People) -> Iterator[str]:
    if not people.votes:
        return
    yield "## What people preferred"
    yield ""
    rows = [
        (each.subject, each.baseline, wording.win_rate(each), each.word, wording.vote_counts(each))
        for each in people.preferred
    ]
    yield from _table(("Preferred", "Over", "Win rate (95 %)", "", "Votes"), rows)
    if people.ratings:
        yield from _table(("Subject", "Elo (95 %)"), [(each.subject, wording.elo(each)) for each in people.ratings])
    if people.agreements:
        pairs = [(" and ".join(each.judges), wording.agreement(each)) for each in people.agreements]
        yield from _table(("Who judged the same pairs", "Said the same"), pairs)
    for note in people.notes:
        yield f"{_inline(wording.note_head(note))}:"
        yield ""
        yield from _block(note.text)


def _suite(run: Run, suite: SuiteRecord, answers: Answers) -> Iterator[str]:
    outcomes = [run.outcome(suite.name, each.name) for each in run.subjects]
    names = [each.name for each in run.subjects]
    yield f"## {_inline(suite.name)}"
    yield ""
    if suite.description:
        yield _inline(suite.description)
        yield ""
    if outcomes[0].categories:
        rows = [
            (name or "(none)", *(wording.score(each.categories[name]) for each in outcomes))
            for name in outcomes[0].categories
        ]
        yield from _table(("Category", *names), rows)
    measured = list(dict.fromkeys(name for each in outcomes for name in each.measures))
    if measured:
        rows = [(wording.label(name), *(wording.measured(each, name) for each in outcomes)) for name in measured]
        yield from _table(("Measured (95 %)", *names), rows)
    if len(answers) > 1:
        yield from _worst(run, suite.name, answers)


def _worst(run: Run, suite: str, answers: Answers) -> Iterator[str]:
    for change in regressions(paired(answers[0][suite], answers[1][suite]), WORST):
        yield f"### {_inline(change.ours.case_id)}"
        yield ""
        yield from _block(change.ours.question)
        for subject, result in zip(run.subjects, (change.ours, change.theirs), strict=False):
            yield from _side(subject.name, result)


def _side(name: str, result: Result) -> Iterator[str]:
    yield f"{_inline(name)}: {_inline(result.reason)}"
    yield ""
    yield from _block(result.said.text)
    if result.said.other:
        yield from _block(result.said.other)


def _block(text: str) -> Iterator[str]:
    """The text in a fence that is longer than any within it."""
    shown = clean(cut(text))
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", shown)), 3)
    yield from (f"{fence}text", shown, fence, "")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(map(_inline, header)) + " |"
    yield "|" + "---|" * len(header)
    yield from ("| " + " | ".join(map(_inline, row)) + " |" for row in rows)
    yield ""


def _inline(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", clean_line(text))
