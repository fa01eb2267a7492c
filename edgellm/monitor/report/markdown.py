"""What monitoring found as Markdown: the same numbers, every question as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from edgellm.monitor.report import wording
from edgellm.monitor.report.html import TITLE
from edgellm.monitor.values import Monitored
from edgellm.safetext import clean_line

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")


def markdown_page(found: Monitored) -> str:
    """The whole text."""
    lines = [
        f"# {TITLE}",
        "",
        f"{wording.period(found)}. {_inline(wording.whose(found))}",
        "",
        "## Rates",
        "",
        *_table(("", ""), wording.rates(found)),
        "## Topics",
        "",
        _inline(wording.looked(found.looked)),
        "",
        *_topics(found),
        "## Ratings",
        "",
        *_table(("Week from", "Rated up"), [(week.week, wording.rated(week)) for week in found.weeks]),
        "## Latency",
        "",
        *_table(
            ("Model", "To the first token (50, 90, 99 %)", "To the end"),
            [(each.model, wording.spread(each.first), wording.spread(each.whole)) for each in found.latency],
        ),
        "## Drift",
        "",
        wording.DRIFT_EXPLAINED,
        "",
        *_drift(found),
        *_notes(found.notes),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _topics(found: Monitored) -> Iterator[str]:
    rows = [
        (wording.label(each), f"{each.questions:,}", wording.part(each.share), wording.part(each.previous))
        for each in found.topics
    ]
    if rows:
        yield from _table(("Topic", "Questions", "Share", "Before"), rows)
        yield from (f"{found.alone:,} questions are like no others.", "")


def _drift(found: Monitored) -> Iterator[str]:
    for each in found.drift:
        yield f"### {_inline(wording.reference(each))}"
        yield ""
        yield _inline(wording.drift(each))
        yield ""
        if each.farthest:
            rows = [(f"{far.distance:.2f}", far.question) for far in each.farthest]
            yield from _table(("Distance", "The farthest questions"), rows)


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield "## What was not measured"
        yield ""
        yield from (f"- {_inline(each)}" for each in notes)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(map(_inline, header)) + " |"
    yield "|" + "---|" * len(header)
    yield from ("| " + " | ".join(map(_inline, row)) + " |" for row in rows)
    yield ""


def _inline(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", clean_line(text))
