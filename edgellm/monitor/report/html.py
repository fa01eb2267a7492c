"""What monitoring found as one HTML file: no script, nothing from elsewhere, every question as text.

Questions are hostile: each is cleaned of controls and escaped, and the page's policy refuses scripts, requests and
forms even if one got through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape

from edgellm.evals.report.html import POLICY, STYLE
from edgellm.monitor.report import wording
from edgellm.monitor.report.plots import Dot, bars, dots
from edgellm.monitor.values import Drift, Monitored, Topic
from edgellm.safetext import clean

TITLE = "What was asked, and how it was answered"


def html_page(found: Monitored) -> str:
    """The whole page."""
    body = [
        f"<h1>{TITLE}</h1>",
        _line(f"{wording.period(found)}. {wording.whose(found)}"),
        "<h2>Rates</h2>",
        _table(("", ""), wording.rates(found)),
        *_by_day(found),
        "<h2>Topics</h2>",
        _line(wording.looked(found.looked)),
        *_topics(found),
        "<h2>Ratings</h2>",
        *_ratings(found),
        "<h2>Latency</h2>",
        _line("Seconds that 50, 90 and 99 % of the answers took at most."),
        _latency(found),
        "<h2>Drift</h2>",
        _line(wording.DRIFT_EXPLAINED),
        *(part for each in found.drift for part in _drift(each)),
        *_notes(found.notes),
    ]
    head = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" '
        f'content="no-referrer"><style>{STYLE}</style></head><body>'
    )
    return f"{head}{''.join(body)}</body></html>\n"


def _by_day(found: Monitored) -> Iterator[str]:
    if any(day.asked for day in found.days):
        yield "<h3>By day: asked, and of these answered (the darker part)</h3>"
        names = [day.day[5:] for day in found.days]
        yield bars(names, [day.asked for day in found.days], [day.answered for day in found.days], "Requests by day")


def _topics(found: Monitored) -> Iterator[str]:
    if not found.topics:
        yield _line("No topics: too few questions are alike." if found.looked.looked_at else wording.FIRST_REPORT)
        return
    rows = [_topic(topic) for topic in found.topics]
    yield _table(("Topic", "Questions", "Share", "Before", "Without evidence", "Rated down", "Such as"), rows)
    yield _line(f"{found.alone:,} questions are like no others.")


def _topic(topic: Topic) -> Sequence[str]:
    numbers = (f"{topic.questions:,}", wording.part(topic.share), wording.part(topic.previous))
    return (wording.label(topic), *numbers, f"{topic.weak:,}", f"{topic.disliked:,}", "\n".join(topic.examples))


def _ratings(found: Monitored) -> Iterator[str]:
    if not any(week.liked.of or week.corrected for week in found.weeks):
        yield _line("Nobody rated an answer.")
        return
    yield dots(
        [
            Dot(label=week.week[5:], value=week.liked.rate, low=week.liked.low, high=week.liked.high)
            for week in found.weeks
        ],
        "Answers rated up, of those rated, by week, with 95 % intervals",
    )
    yield _table(("Week from", "Rated up"), [(week.week, wording.rated(week)) for week in found.weeks])


def _latency(found: Monitored) -> str:
    rows = [
        (each.model, f"{answers.answers:,}", wording.spread(each.first), wording.spread(each.whole))
        for each in found.latency
        if (answers := each.whole or each.first) is not None
    ]
    return _table(("Model", "Answers", "To the first token", "To the end"), rows) if rows else _line("None measured.")


def _drift(found: Drift) -> Iterator[str]:
    yield f"<h3>{_text(wording.reference(found))}</h3>"
    yield _line(wording.drift(found))
    if found.farthest:
        rows = [
            (f"{far.distance:.2f}", far.question, far.model, f"{datetime.fromtimestamp(far.at):%Y-%m-%d}")
            for far in found.farthest
        ]
        yield _table(("Distance", "The farthest questions", "Asked", "On"), rows)


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield "<h2>What was not measured</h2>"
        yield "<ul>" + "".join(f"<li>{_text(each)}</li>" for each in notes) + "</ul>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(each)}</th>" for each in header)
    body = "".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(text: str) -> str:
    return _text(text).replace("\n", "<br>")


def _line(text: str) -> str:
    return f"<p>{_text(text)}</p>"


def _text(text: str) -> str:
    return escape(clean(text), quote=True)
