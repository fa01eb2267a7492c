"""What monitoring found, as lines of lists."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.monitor.report import wording
from edgellm.safetext import clean_line

if TYPE_CHECKING:
    from edgellm.monitor.values import Drift, Far, Latency, Monitored, Topic, Week

DIM, FAINT = "$foreground 70%", "$foreground 55%"
BAR_CELLS = 10
NARROWEST = 64
"""Cells that a line has at least."""
_WORDS = {"farther": "bold $text-warning", "nearer": "bold $text-success"}
Facts = list[tuple[str, str]]


def _cell(text: str, cells: int, look: str = DIM) -> Content:
    shown = Content.styled(clean_line(text), look).truncate(cells - 1, ellipsis=True)
    return shown + Content(" " * (cells - shown.cell_length))


def _number(text: str, cells: int, look: str = DIM) -> Content:
    return Content.styled(f"{text:>{cells}}", look)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a list, and what more there is to say."""

    name: str
    content: Content
    facts: Facts

    def line(self) -> Content:
        """How it looks."""
        return self.content


def head(section: str, width: int) -> Content:
    """The names of the columns of a section; empty where a line explains itself."""
    flexible = max(width, NARROWEST) - 40
    heads = {
        "topics": f"{'Topic':<{flexible}}{'Asked':>7}{'Share':>8}{'Before':>8}{'No source':>10}{'Poor':>7}",
        "ratings": f"{'Week from':<13}{'Rated up':<12}{'(95 %)':<18}{'Ratings':>8}{'Corrected':>11}",
        "latency": f"{'Model':<{max(width, NARROWEST) - 48}}{'First token: 50, 90, 99 %':<26}{'Whole answer':<22}",
    }
    return Content.styled(heads.get(section, ""), FAINT)


def lines_of(section: str, found: Monitored, width: int) -> list[Line]:
    """The lines of a section, for a list of `width` cells."""
    wide = max(width, NARROWEST)
    if section == "topics":
        return [_topic(str(at), each, wide) for at, each in enumerate(found.topics)]
    if section == "rates":
        return [_fact(str(at), name, value, wide) for at, (name, value) in enumerate(wording.rates(found))]
    if section == "ratings":
        return [_week(each) for each in reversed(found.weeks) if each.liked.of or each.corrected]
    if section == "latency":
        return [_latency(each, wide) for each in found.latency]
    return [line for each in found.drift for line in _drift(each, wide)]


def explained(section: str, found: Monitored) -> str:
    """What stands above a section's list."""
    if section == "topics":
        alone = f" {found.alone:,} are like no others." if found.topics and found.alone else ""
        empty = "" if found.topics else " Too few are alike to make a topic."
        return wording.looked(found.looked) + alone + empty if found.looked.questions else wording.FIRST_REPORT
    if section == "rates":
        return "Requests by day; of these the answered ones in the stronger colour."
    if section == "ratings":
        any_rated = any(week.liked.of or week.corrected for week in found.weeks)
        return "Answers rated up, of those rated, by week." if any_rated else "Nobody rated an answer in this time."
    if section == "latency":
        return "" if found.latency else "No answer was timed in this time."
    return " ".join(found.notes) if found.notes else ("" if found.drift else wording.FIRST_REPORT)


def summary(found: Monitored) -> Content:
    """The most important numbers on one line."""
    up = sum(week.liked.count for week in found.weeks)
    rated = sum(week.liked.of for week in found.weeks)
    parts = [
        ("answered", wording.part(found.answering.answered.rate)),
        ("without evidence", wording.part(found.weak.rate)),
        ("rated up", wording.part(up / rated if rated else None)),
    ]
    moved = [each for each in found.drift if each.word in _WORDS]
    drift = moved[0].word if moved else "not shown" if any(each.moved for each in found.drift) else "–"
    shown = [Content.assemble((f"{name} ", FAINT), (value, "bold")) for name, value in parts]
    shown.append(Content.assemble(("drift ", FAINT), (drift, _WORDS.get(drift, "bold"))))
    return Content("   ").join(shown)


def _topic(name: str, topic: Topic, width: int) -> Line:
    looks = ("$text-warning" if topic.weak else FAINT, "$text-error" if topic.disliked else FAINT)
    content = Content("").join(
        [
            _cell(wording.label(topic), width - 40, "bold"),
            _number(f"{topic.questions:,}", 7),
            _number(wording.part(topic.share), 8),
            _number(wording.part(topic.previous), 8, FAINT),
            _number(f"{topic.weak:,}", 10, looks[0]),
            _number(f"{topic.disliked:,}", 7, looks[1]),
        ]
    )
    facts = [("words", ", ".join(topic.label)), ("questions", f"{topic.questions:,} ({wording.part(topic.share)})")]
    facts += [
        ("before", wording.part(topic.previous)),
        ("no source", f"{topic.weak:,}"),
        ("poor", f"{topic.disliked:,}"),
    ]
    facts += [("such as" if at == 0 else "", text) for at, text in enumerate(topic.examples)]
    return Line(name, content, facts)


def _fact(name: str, title: str, value: str, width: int) -> Line:
    look = FAINT if title.startswith(" ") else DIM
    return Line(name, _cell(title, min(44, width - 36), look) + Content.styled(value, "bold"), [(title.strip(), value)])


def _week(week: Week) -> Line:
    liked = week.liked
    share, bounds = wording.part(liked.rate), ""
    if liked.low is not None and liked.high is not None:
        bounds = f"({100 * liked.low:.0f} to {100 * liked.high:.0f} %)"
    content = Content("").join(
        [
            _cell(week.week, 13, "bold"),
            _cell(share, 12, "bold $primary"),
            _cell(bounds, 18, FAINT),
            _number(f"{liked.of:,}", 8),
            _number(f"{week.corrected:,}", 11, FAINT),
        ]
    )
    facts = [("week from", week.week), ("rated up", wording.share(liked)), ("corrected", f"{week.corrected:,}")]
    return Line(week.week, content, facts)


def _latency(each: Latency, width: int) -> Line:
    first, whole = wording.spread(each.first), wording.spread(each.whole)
    parts = [_cell(each.model, width - 48, "bold"), _cell(first, 26), _cell(whole, 22)]
    answers = max((spread.answers for spread in (each.first, each.whole) if spread), default=0)
    facts = [("model", each.model), ("answers", f"{answers:,}"), ("first token", first), ("whole answer", whole)]
    return Line(each.model, Content("").join(parts), facts)


def _drift(found: Drift, width: int) -> list[Line]:
    name = f"{found.kind} {found.reference}"
    title = Content.assemble(
        (clean_line(wording.reference(found)), "bold"), "   ", (found.word, _WORDS.get(found.word, DIM))
    )
    lines = [Line(name, title, _drift_facts(found)), Line(f"{name} numbers", _distances(found), _drift_facts(found))]
    return [*lines, *(_far(f"{name} {at}", far, width) for at, far in enumerate(found.farthest))]


def _distances(found: Drift) -> Content:
    if found.moved is None:
        return Content.styled(f"  {found.questions:,} questions, {found.previous:,} before: too few to test", FAINT)
    moved = found.moved
    said = f"  distance {moved.now:.2f}, before {moved.before:.2f} ({moved.low:+.2f} to {moved.high:+.2f})"
    return Content.styled(f"{said}; farthest:", FAINT)


def _drift_facts(found: Drift) -> Facts:
    facts = [("reference", wording.reference(found)), ("drift", wording.drift(found))]
    facts += [("texts", f"{found.texts:,}")] if found.kind == "training" else []
    return [*facts, ("", wording.DRIFT_EXPLAINED)]


def _far(name: str, far: Far, width: int) -> Line:
    content = Content("").join(
        [_number(f"{far.distance:.2f}", 6, FAINT), Content("  "), _cell(far.question, width - 8)]
    )
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(far.at))
    facts = [("question", far.question), ("distance", f"{far.distance:.3f}"), ("asked", far.model), ("at", at)]
    return Line(name, content, facts)


def facts_shown(facts: Sequence[tuple[str, str]]) -> list[Content]:
    """Names and values below each other."""
    cells = max((len(name) for name, _ in facts), default=0) + 2
    return [Content.assemble((f"{name:<{cells}}", FAINT), clean_line(value)) for name, value in facts]
