"""Scores with their intervals drawn, comparisons in words, and what people preferred."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.safetext import clean, clean_line

if TYPE_CHECKING:
    from edgellm.evals.outcome import Compared, Outcome
    from edgellm.evals.preference import People
    from edgellm.evals.run import Run
    from edgellm.evals.statistics import Interval
    from edgellm.evals.suite import Suite

DIM, FAINT = "$foreground 70%", "$foreground 55%"
MARKS = ("●", "○", "◆", "◇", "■", "□")
"""Which subject a mean belongs to; they differ without colours, too."""
COLOURS = ("$primary", "$accent", "$text-success", "$text-warning", "$text-secondary", "$foreground")
WORDS = {"better": "bold $text-success", "worse": "bold $text-error"}
SCORE_CELLS = 24
NAME_CELLS = (24, 36)
"""Of a measure's name, at least and at most."""
NARROWEST, WIDEST = 12, 60
"""Cells of a drawn interval."""


def score_lines(run: Run, width: int) -> list[Content]:
    """Who is who, every suite with a drawn interval for each subject, and what the comparisons say."""
    lines = list(_legend(run))
    for suite in run.suites:
        lines.append(Content(""))
        lines.append(Content.styled(clean_line(suite.name), "bold"))
        for number, subject in enumerate(run.subjects):
            lines.append(_score_line(number, run.outcome(suite.name, subject.name), width))
        for found in (each for each in run.comparisons if each.suite == suite.name):
            lines += _word_lines(found, len(run.subjects) > 2, width)
    return [*lines, Content(""), _scale(width)]


def _legend(run: Run) -> Iterator[Content]:
    for number, subject in enumerate(run.subjects):
        what = "" if number == 0 else "  baseline"
        yield Content.assemble(_mark(number), " ", (clean_line(subject.name), "bold"), (what, FAINT))


def _mark(number: int) -> Content:
    return Content.styled(MARKS[number % len(MARKS)], COLOURS[number % len(COLOURS)])


def _score_line(number: int, found: Outcome, width: int) -> Content:
    from edgellm.evals.report import wording

    text = Content.assemble("  ", _mark(number), " ", f"{wording.score(found.tally):<{SCORE_CELLS}}")
    return text + drawn(found.tally.score, number, _cells(width))


def _cells(width: int) -> int:
    return min(max(width - SCORE_CELLS - 4, NARROWEST), WIDEST)


def drawn(found: Interval | None, number: int, cells: int) -> Content:
    """A mean on its interval, from 0 to 100 %."""
    if found is None:
        return Content("")
    low, middle, high = (round(each * (cells - 1)) for each in (found.low, found.mean, found.high))
    colour = COLOURS[number % len(COLOURS)]
    return Content.assemble(
        ("·" * low, "$foreground 25%"),
        ("━" * (middle - low), colour),
        (MARKS[number % len(MARKS)], f"bold {colour}"),
        ("━" * (high - middle), colour),
        ("·" * (cells - 1 - high), "$foreground 25%"),
    )


def _scale(width: int) -> Content:
    cells = _cells(width)
    ends = f"{'0':<{cells // 2}}50{'100 %':>{cells - cells // 2 - 2}}"
    return Content.styled(" " * (SCORE_CELLS + 4) + ends, FAINT)


def _word_lines(found: Compared, has_several: bool, width: int) -> list[Content]:
    """The word and the difference, in one line where there is room."""
    from edgellm.evals.report import wording

    against = f" against {clean_line(found.baseline)}" if has_several else ""
    word = Content.assemble("  ", (found.word, WORDS.get(found.word, FAINT)), (against, DIM))
    difference = Content.styled(wording.difference(found), DIM)
    line = word + Content("  ") + difference
    return [line] if line.cell_length <= width else [word, Content("    ") + difference]


def measure_lines(run: Run, width: int) -> list[Content]:
    """Categories, measures with units, speed, and what was not measured."""
    cells = min(max(width - SCORE_CELLS * len(run.subjects), NAME_CELLS[0]), NAME_CELLS[1])
    lines = [line for suite in run.suites for line in _suite_measures(run, suite.name, cells)]
    if run.speeds is not None:
        from edgellm.evals.report import wording

        lines += [Content(""), Content.styled("Speed", "bold"), Content(f"  {wording.speeds(run.speeds)}")]
    lines += [Content(""), Content.styled("What was not measured", "bold")]
    for sentence in run.not_measured:
        lines += Content.styled(f"  {clean_line(sentence)}", DIM).wrap(width)
    return lines


def _suite_measures(run: Run, suite: str, cells: int) -> Iterator[Content]:
    from edgellm.evals.report import wording

    outcomes = [run.outcome(suite, each.name) for each in run.subjects]
    names = list(outcomes[0].categories)
    measured = list(dict.fromkeys(name for each in outcomes for name in each.measures))
    if names or measured:
        yield Content("")
        yield Content.styled(clean_line(suite), "bold")
    for name in names:
        scores = [wording.score(each.categories[name]) for each in outcomes]
        yield _row(name or "(none)", scores, cells)
    for name in measured:
        values = [each.measures.get(name) for each in outcomes]
        said = ["–" if value is None else wording.measure(name, value) for value in values]
        yield _row(wording.label(name), said, cells)


def _row(name: str, values: Sequence[str], cells: int) -> Content:
    shown = Content.styled(clean_line(name), DIM).truncate(cells - 3, ellipsis=True)
    head = Content("  ") + shown + Content(" " * (cells - 2 - shown.cell_length))
    return head + Content("".join(f"{value:<{SCORE_CELLS}}" for value in values))


def people_lines(people: People, width: int) -> list[Content]:
    """Win rates, Elo, agreement and notes."""
    from edgellm.evals.report import wording

    lines = list[Content]()
    for each in people.preferred:
        names = f"{clean_line(each.subject)} over {clean_line(each.baseline)}"
        lines += Content.assemble((each.word, WORDS.get(each.word, FAINT)), "  ", (names, "bold")).wrap(width)
        lines.append(Content(f"  win rate {wording.win_rate(each)}"))
        lines += Content.styled(f"  {wording.vote_counts(each)}", DIM).wrap(width)
        lines.append(Content(""))
    for rating in people.ratings:
        lines.append(_row(rating.subject, [f"Elo {wording.elo(rating)}"], NAME_CELLS[1]))
    for agreed in people.agreements:
        lines += Content(f"  {clean_line(' and '.join(agreed.judges))}: {wording.agreement(agreed)}").wrap(width)
    for note in people.notes:
        lines += [Content(""), *Content.styled(clean_line(wording.note_head(note)), FAINT).wrap(width)]
        lines += Content(f"  {clean(note.text)}").wrap(width)
    return lines


def suite_lines(suite: Suite, width: int) -> list[Content]:
    """What a suite asks, where it is, and its first questions."""
    lines = [Content.styled(f"{clean_line(suite.name)} {clean_line(suite.version)}", "bold $primary")]
    lines += Content.styled(clean_line(" ".join(suite.description.split())), DIM).wrap(width)
    lines += [Content(""), *Content.styled(clean_line(suite.path), FAINT).wrap(width), Content("")]
    for case in suite.cases[:20]:
        head = Content.styled(f"{clean_line(case.id)}  ", FAINT)
        lines.append((head + Content(clean_line(case.question))).truncate(width, ellipsis=True))
    if (more := len(suite.cases) - 20) > 0:
        lines.append(Content.styled(f"and {more:,} more", FAINT))
    return lines
