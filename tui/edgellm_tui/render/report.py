"""What was found in examples, as lines: the report before a dataset is built, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.safetext import clean_line
from edgellm.sizes import size
from edgellm_tui.wording import in_app

if TYPE_CHECKING:
    from edgellm.data.dataset import Manifest
    from edgellm.data.report import Problem, Report, Tokens
    from edgellm.data.rows import Dropped
    from edgellm.data.sources import FileReport

DIM = "$foreground 55%"
NAME_CELLS = 12
MOST_LANGUAGES = 8
DONE = {"mask": "masked", "drop": "its rows are dropped", "keep": "kept as it is"}
"""What happens to personal data, by the rule's action."""


def report_lines(report: Report, width: int) -> list[Content]:
    """Whether a dataset can be built, what each file is, what would be dropped and why, and what was found."""
    lines = [*_verdict(report), *hanging("", _splits(report), width)]
    for problem in report.problems:
        lines += [Content(""), *_problem(problem, width)]
    for source in report.sources:
        if source.why:
            lines += [Content(""), *_source(source, width)]
    if not report.counts.read:
        return lines
    return [
        *lines,
        *_dropped(report, width),
        Content(""),
        *findings(report, width, "not measured yet: m measures them as a model reads"),
    ]


def manifest_lines(manifest: Manifest, width: int) -> list[Content]:
    """A dataset's content in short: its splits, its sources, what was left out and what was found."""
    lines = [Content.styled(clean_line(manifest.name), "bold $primary"), *hanging("", _splits(manifest), width)]
    lines += hanging("Made", Content(clean_line(manifest.created.replace("T", " ")[:16]) + " UTC"), width)
    for source in manifest.sources:
        lines += [Content(""), *_source(source, width)]
    return [
        *lines,
        *_dropped(manifest, width),
        Content(""),
        *findings(manifest, width, "not measured: no model was named"),
    ]


def findings(found: Report | Manifest, width: int, unmeasured: str) -> list[Content]:
    """Personal data, languages, rows alike, and lengths or why they are not known."""
    personal = ", ".join(f"{_words(each.kind)} {each.matches:,} ({DONE[each.action]})" for each in found.personal)
    languages = ", ".join(
        f"{clean_line(code)} {rows:,}" for code, rows in list(found.languages.items())[:MOST_LANGUAGES]
    )
    groups = "1 group" if found.groups == 1 else f"{found.groups:,} groups"
    alike = f"{groups} of rows that are alike, each in one split" if found.groups else "no rows are alike"
    lines = hanging("Personal", Content(personal or "none found: names and addresses are not looked for"), width)
    lines += hanging("Languages", Content(languages or "not known"), width)
    lines += hanging("Alike", Content(alike), width)
    return lines + (_lengths(found.tokens, width) if found.tokens else hanging("Lengths", Content(unmeasured), width))


def hanging(name: str, value: Content, width: int, indent: int = NAME_CELLS) -> list[Content]:
    """A named value; where it is longer than the line, it goes on below itself."""
    if not name:
        return list(value.wrap(max(width, 8)))
    first = Content.styled(name.ljust(indent), DIM)
    rest = Content(" " * indent)
    parts = value.wrap(max(width - indent, 8)) or [Content("")]
    return [(rest if number else first) + part for number, part in enumerate(parts)]


def _verdict(report: Report) -> list[Content]:
    counts = report.counts
    would = f"{counts.kept:,} of {counts.read:,} rows would be kept"
    if report.can_be_built:
        return [Content.assemble(("● ", "$text-success"), (would, "bold"))]
    why = "A file cannot be read" if report.problems else "No row is left"
    nothing = Content.assemble(("● ", "$text-error"), (f"{why}: nothing can be built", "bold"))
    return [nothing, Content.styled(would, DIM)]


def _splits(found: Report | Manifest) -> Content:
    words = {"train": "to train on", "valid": "to validate", "test": "to test"}
    parts = [f"{rows:,} {words[name]}" for name, rows in found.counts.splits.items()]
    return Content.styled(", ".join(parts), "$foreground 80%")


def _problem(problem: Problem, width: int) -> Iterator[Content]:
    yield from _marked("✗ ", "$text-error", Content(in_app(problem.message)), width)
    if problem.hint:
        yield from _marked("  ", "", Content.styled(in_app(problem.hint), DIM), width)


def _marked(mark: str, look: str, text: Content, width: int) -> Iterator[Content]:
    for number, part in enumerate(text.wrap(max(width - len(mark), 8))):
        yield (Content(" " * len(mark)) if number else Content.styled(mark, look)) + part


def _source(source: FileReport, width: int) -> Iterator[Content]:
    rows = f"{source.rows:,} {'row' if source.rows == 1 else 'rows'}, {size(source.bytes)}"
    yield Content.styled(clean_line(source.path), "bold").truncate(width, ellipsis=True)
    yield from hanging("  Format", Content(clean_line(f"{source.format}: {source.why}")), width)
    yield from hanging("  Rows are", Content(clean_line(f"{source.schema}; {rows}".removeprefix("; "))), width)
    if source.notes:
        yield from hanging("  Noted", Content(clean_line("; ".join(source.notes))), width)


def _dropped(found: Report | Manifest, width: int) -> Iterator[Content]:
    from edgellm.data.card import REASONS

    if not found.counts.dropped:
        return
    examples = getattr(found, "examples", {})
    yield from (Content(""), Content.styled("Dropped", "bold"))
    for reason, rows in found.counts.dropped.items():
        yield Content.assemble((f"{rows:>7,}  ", "$text-warning"), REASONS[reason])
        for drop in examples.get(reason, ()):
            yield from _example(drop, width)


def _example(drop: Dropped, width: int) -> list[Content]:
    place = Content.styled(f"{clean_line(str(drop.source))}  ", DIM)
    parts = (place + Content(clean_line(drop.detail))).wrap(max(width - 9, 8))
    return [Content(" " * 9) + part for part in parts]


def _lengths(tokens: Tokens, width: int) -> list[Content]:
    read = f"tokens as {clean_line(tokens.model)} reads them; a row may have {tokens.context_tokens:,}"
    lines = hanging("Lengths", Content(read), width)
    names = ("", "rows", "min", "median", "95 %", "max", "total", "cut")
    lines.append(Content.styled(_columns(names), DIM))
    for name, each in tokens.splits.items():
        numbers = [f"{number:,}" for number in (each.rows, each.min, each.median, each.p95, each.max, each.total)]
        lines.append(Content(_columns([name, *numbers, f"{each.cut_share:.1%}"])))
    return [line.truncate(width, ellipsis=True) for line in lines]


def _columns(cells: Sequence[str]) -> str:
    return f"  {cells[0]:<6}" + "".join(f"{cell:>9}" for cell in cells[1:])


def _words(kind: str) -> str:
    return str(kind).replace("_", " ")
