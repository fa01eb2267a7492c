"""A run as one HTML file: no script, nothing from elsewhere, every answer as text.

Answers are hostile: each is cleaned of controls and escaped, and the page's policy refuses scripts, requests and
forms even if one got through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from edgellm.evals.outcome import Change, paired, regressions
from edgellm.evals.preference import NOBODY, People
from edgellm.evals.report import wording
from edgellm.evals.report.plots import Bar, intervals
from edgellm.evals.run import Run, SuiteRecord
from edgellm.evals.unmeasured import NO_VOTES
from edgellm.evals.values import Result
from edgellm.safetext import clean

Answers = Sequence[Mapping[str, Sequence[Result]]]
"""By subject, in the order of the run: the results of each suite."""
WORST = 10
"""Regressions that are shown for a suite."""
LONGEST = 1500
"""Characters of an answer that are shown."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.2rem}h3{font-size:1rem;margin-top:1.4rem}
table{border-collapse:collapse;width:100%;margin:.6rem 0}th,td{text-align:left;padding:.3rem .6rem;vertical-align:top}
th{border-bottom:2px solid #ccc}td{border-bottom:1px solid #e4e4e4}
.better{color:#1b7a3d;font-weight:600}.worse{color:#b3261e;font-weight:600}.dim{color:#666}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f6f6;padding:.5rem;margin:.2rem 0;font-size:.85rem}
.two{display:grid;grid-template-columns:1fr 1fr;gap:.6rem}svg{width:100%;font:13px system-ui,sans-serif}
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}pre{background:#222}th{border-color:#555}
td{border-color:#333}svg text{fill:#e6e6e6}.dim{color:#999}.better{color:#6cc88a}.worse{color:#f2857c}}
@media(max-width:45rem){.two{grid-template-columns:1fr}}
"""


def html_report(run: Run, answers: Answers, people: People = NOBODY) -> str:
    """The whole page; `people`: what they preferred so far."""
    title = f"Evaluation of {run.subjects[0].name}"
    body = [
        f"<h1>{_text(title)}</h1>",
        _line(f"Run {run.id}, {run.created}, EdgeLLM {run.edgellm}, {run.seconds:.0f} s."),
        _subjects(run),
        "<h2>Scores</h2>",
        _line("Each score is a mean from 0 to 100 % with its 95 % interval."),
        _scores(run),
        _score_plot(run),
        *_comparison(run),
        *_speeds(run),
        *_people(people),
        *(part for suite in run.suites for part in _suite(run, suite, answers)),
        *_judge(run),
        "<h2>What was not measured</h2>",
        _list(each for each in run.not_measured if not people.votes or each != NO_VOTES),
        _line("Intervals and tests: docs/evaluation.md says how they are computed."),
    ]
    head = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" '
        f'content="no-referrer"><style>{STYLE}</style></head><body>'
    )
    return f"{head}{''.join(body)}</body></html>\n"


def _subjects(run: Run) -> str:
    rows = [
        (each.name, each.target, each.identity[:12], "judged" if number == 0 else "baseline")
        for number, each in enumerate(run.subjects)
    ]
    return _table(("Subject", "Stands for", "Identity", ""), rows)


def _scores(run: Run) -> str:
    rows = []
    for suite in run.suites:
        found = [run.outcome(suite.name, each.name) for each in run.subjects]
        cases = f"{found[0].tally.cases} cases, {found[0].tally.answers} answers"
        rows.append((suite.name, cases, *(wording.score(each.tally) for each in found)))
    return _table(("Suite", "", *(each.name for each in run.subjects)), rows)


def _score_plot(run: Run) -> str:
    bars = []
    for suite in run.suites:
        for number, subject in enumerate(run.subjects):
            score = run.outcome(suite.name, subject.name).tally.score
            if score is not None:
                label = _plain(f"{suite.name}: {subject.name}")
                text = wording.share(score.mean)
                bars.append(
                    Bar(label=label, text=text, value=score.mean, low=score.low, high=score.high, colour=number)
                )
    return intervals(bars, 0.0, 1.0, "Scores with 95 % intervals, in percent") if bars else ""


def _comparison(run: Run) -> Iterator[str]:
    if not run.comparisons:
        return
    yield "<h2>Against the baseline</h2>"
    yield _line(
        "The same cases and seeds, paired. The word counts at 5 %, corrected for the number of suites; "
        "“no difference shown” does not mean that both are the same."
    )
    rows = "".join(
        f"<tr><td>{_text(each.suite)}</td><td>{_text(each.baseline)}</td><td>{_text(wording.difference(each))}</td>"
        f'<td class="{each.word if each.word in ("better", "worse") else "dim"}">{_text(each.word)}</td></tr>'
        for each in run.comparisons
    )
    yield f"<table><tr><th>Suite</th><th>Baseline</th><th>Difference</th><th></th></tr>{rows}</table>"
    bars = [
        Bar(
            label=_plain(f"{each.suite} against {each.baseline}"),
            text=f"{100 * each.difference.difference:+.1f}",
            value=each.difference.difference,
            low=each.difference.low,
            high=each.difference.high,
        )
        for each in run.comparisons
    ]
    widest = max([0.05, *(abs(edge) for bar in bars for edge in (bar.low, bar.high))])
    yield intervals(bars, -widest, widest, "Differences with 95 % intervals, in points")


def _speeds(run: Run) -> Iterator[str]:
    if run.speeds is not None:
        yield "<h2>Speed</h2>"
        names = f"{run.subjects[0].name} against {run.subjects[1].name}"
        yield _line(f"{names}: {wording.speeds(run.speeds)}; asked in turn, median of {len(run.speeds.ours)} rounds.")


def _people(people: People) -> Iterator[str]:
    if not people.votes:
        return
    yield "<h2>What people preferred</h2>"
    yield _line(
        "Both answers side by side, without their names and in an order drawn for each pair. A tie, two bad answers "
        "and equal answers are half a win; the test leaves them out."
    )
    rows = [
        (each.subject, each.baseline, wording.win_rate(each), each.word, wording.vote_counts(each))
        for each in people.preferred
    ]
    yield _table(("Preferred", "Over", "Win rate (95 %)", "", "Votes"), rows)
    if people.ratings:
        yield _table(("Subject", "Elo (95 %)"), [(each.subject, wording.elo(each)) for each in people.ratings])
    if people.agreements:
        pairs = [(" and ".join(each.judges), wording.agreement(each)) for each in people.agreements]
        yield _table(("Who judged the same pairs", "Said the same"), pairs)
    if people.notes:
        yield "<h3>Notes</h3>"
        yield from (f"<p>{_text(wording.note_head(each))}</p><pre>{_text(each.text)}</pre>" for each in people.notes)


def _suite(run: Run, suite: SuiteRecord, answers: Answers) -> Iterator[str]:
    yield f"<h2>{_text(suite.name)}</h2>"
    yield _line(suite.description)
    outcomes = [run.outcome(suite.name, each.name) for each in run.subjects]
    names = tuple(each.name for each in run.subjects)
    if outcomes[0].categories:
        rows = [
            (name or "(none)", *(wording.score(each.categories[name]) for each in outcomes))
            for name in outcomes[0].categories
        ]
        yield _table(("Category", *names), rows)
    measured = list(dict.fromkeys(name for each in outcomes for name in each.measures))
    if measured:
        rows = [(wording.label(name), *(wording.measured(each, name) for each in outcomes)) for name in measured]
        yield _table(("Measured (95 %)", *names), rows)
    yield from _worst(run, suite.name, answers)


def _worst(run: Run, suite: str, answers: Answers) -> Iterator[str]:
    """Where the subject lost most against its first baseline; without one, its worst answers."""
    ours = answers[0][suite]
    if len(answers) > 1:
        changes = regressions(paired(ours, answers[1][suite]), WORST)
        if changes:
            yield f"<h3>Worst regressions against {_text(run.subjects[1].name)}</h3>"
        yield from (_change(run, each) for each in changes)
        return
    missed = sorted((each for each in ours if each.value is not None and each.value < 1), key=lambda r: r.value or 0.0)
    if missed:
        yield "<h3>Worst answers</h3>"
    yield from (_answer_alone(each) for each in missed[:WORST])


def _change(run: Run, change: Change) -> str:
    sides = ((run.subjects[0].name, change.ours), (run.subjects[1].name, change.theirs))
    return _asked(change.ours) + '<div class="two">' + "".join(_side(name, each) for name, each in sides) + "</div>"


def _answer_alone(result: Result) -> str:
    return _asked(result) + _side("", result)


def _asked(result: Result) -> str:
    return f"<p><b>{_text(result.case_id)}</b></p><pre>{_text(cut(result.question))}</pre>"


def _side(name: str, result: Result) -> str:
    value = "" if result.value is None else f"{wording.share(result.value)}: "
    head = " ".join(part for part in (name, value + result.reason) if part)
    texts = [result.said.text, result.said.other] if result.said.other else [result.said.text]
    shown = "".join(f"<pre>{_text(cut(text)) or '(no text)'}</pre>" for text in texts)
    return f'<div><div class="dim">{_text(head)}</div>{shown}</div>'


def _judge(run: Run) -> Iterator[str]:
    if run.judge is not None:
        yield "<h2>The judge</h2>"
        yield _line(f"{run.judge.name} (identity {run.judge.identity[:12]}) was asked in both orders:")
        for name, prompt in run.judge.prompts.items():
            yield f"<h3>{_text(name)}</h3><pre>{_text(prompt)}</pre>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(each)}</th>" for each in header)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _list(sentences: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{_text(each)}</li>" for each in sentences) + "</ul>"


def _line(text: str) -> str:
    return f"<p>{_text(text)}</p>" if text else ""


def cut(text: str) -> str:
    """A text as long as a report shows it, with how much is left out."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text) - LONGEST:,} more characters)"


def _plain(text: str) -> str:
    """Without controls; what draws the text escapes it."""
    return clean(text)


def _text(text: str) -> str:
    return escape(clean(text), quote=True)
