"""What the data page says: reports, lines of the list, names and paths."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgellm_tui.datasets import HEAD, DatasetRow
from edgellm_tui.examples import OWN_CHATS, Examples
from edgellm_tui.paths import suggestions
from edgellm_tui.render.report import manifest_lines, report_lines
from textual.content import Content

from edgellm.data.report import Counts, Problem
from edgellm.data.rows import Dropped, Reason, Source
from tests.tui.fakes.datasets import manifest, measured, report
from tests.tui.payloads import HOSTILE, is_harmless

NOTHING = Counts(read=3, kept=0, dropped={Reason.EMPTY: 3}, splits={"train": 0, "valid": 0, "test": 0})


def plain(lines: list[Content]) -> str:
    return "\n".join(line.plain for line in lines)


def test_a_report_names_format_counts_drops_and_what_was_found() -> None:
    text = plain(report_lines(report(tokens=measured("qwen3-4b")), 100))
    for part in (
        "951 of 1,000 rows would be kept",
        "857 to train on, 47 to validate, 47 to test",
        "jsonl: its name ends with .jsonl",
        "31  near duplicate",
        "faq.jsonl:41  nearly the same as faq.jsonl:7",
        "18  answer of one word",
        "email 9 (masked)",
        "en 900, hi 51",
        "12 groups of rows that are alike",
        "tokens as qwen3-4b reads them; a row may have 2,048",
        "64,100",
    ):
        assert part in text


def test_a_report_says_why_nothing_can_be_built() -> None:
    problem = Problem(file="faq.jsonl", line=7, message="faq.jsonl:7: the line is not UTF-8.", hint="Save it as UTF-8.")
    text = plain(report_lines(report(problems=(problem,)), 100))
    assert text.startswith("● A file cannot be read: nothing can be built")
    assert "✗ faq.jsonl:7: the line is not UTF-8." in text
    assert "Save it as UTF-8." in text
    assert plain(report_lines(report(counts=NOTHING), 100)).startswith("● No row is left: nothing can be built")
    empty = Counts(read=0, kept=0, dropped={}, splits=NOTHING.splits)
    assert "Personal" not in plain(report_lines(report(problems=(problem,), counts=empty), 100))


@pytest.mark.parametrize("width", [40, 75, 195])
def test_lines_fit_their_width_and_go_on_below_themselves(width: int) -> None:
    long = {Reason.EMPTY: [Dropped(Source("a/very/long/path/to/examples.jsonl", 7), Reason.EMPTY, "word " * 30)]}
    found = report("examples/of/many/questions.jsonl", counts=NOTHING, examples=long, tokens=measured("m"))
    lines = report_lines(found, width) + manifest_lines(manifest("faq", tokens=measured("m")), width)
    assert max(line.cell_length for line in lines[1:]) <= width
    going_on = next(line for line in lines if line.plain.strip().startswith("word"))
    assert going_on.plain.startswith(" " * 9)


def test_what_was_not_measured_says_how_to() -> None:
    assert "m measures them" in plain(report_lines(report(), 100))
    assert "no model was named" in plain(manifest_lines(manifest("faq"), 100))


@pytest.mark.parametrize("payload", HOSTILE)
def test_untrusted_text_in_reports_and_lists_is_harmless(payload: str) -> None:
    problem = Problem(file=payload, line=1, message=payload, hint=payload)
    example = {Reason.EMPTY: [Dropped(Source(payload, 1), Reason.EMPTY, payload)]}
    found = report(payload, problems=(problem,), examples=example, counts=NOTHING, languages={payload: 1})
    made = manifest(payload, payload, created=payload, tokens=measured(payload))
    shown = [*report_lines(found, 80), *manifest_lines(made, 80), DatasetRow(made).line()]
    assert is_harmless(plain(shown))
    assert is_harmless(Examples(files=(payload,)).title)


def test_a_line_of_the_list_stands_under_its_head() -> None:
    line = DatasetRow(manifest("x" * 60, tokens=measured("m"))).line().plain
    assert len(line) == len(HEAD.plain)
    for name, value in (("Train", "857"), ("Test", "47"), ("Tokens", "192k")):
        end = HEAD.plain.index(name) + len(name)
        assert line[:end].endswith(value)


@pytest.mark.parametrize(
    ("files", "taken", "name"),
    [
        (("a/faq.jsonl", "b.csv"), (), "faq"),
        (("faq.jsonl",), ("faq", "faq-2"), "faq-3"),
        (("Kunden fragen (neu).csv",), (), "Kunden-fragen-neu"),
        (("सवाल.csv",), (), "examples"),
        ((), (), "chats"),
        (("y" * 90,), (), "y" * 56),
    ],
)
def test_a_name_is_proposed_that_no_dataset_has(files: tuple[str, ...], taken: tuple[str, ...], name: str) -> None:
    assert Examples(files=files).proposed_name(taken) == name


def test_examples_grow_by_files_and_chats() -> None:
    examples = Examples().with_source("a.csv").with_source("a.csv").with_source(f"{OWN_CHATS}liked")
    assert (examples.files, examples.chats) == (("a.csv",), "liked")
    assert examples.title == "a.csv, answers that you rated good or corrected"
    assert Examples().with_source("~/a.csv").files[0].endswith("/a.csv")
    assert "~" not in Examples().with_source("~/a.csv").files[0]


def test_paths_go_on_as_typed(tmp_path: Path) -> None:
    for name in (
        "faq.jsonl",
        "Fragen.CSV",
        "picture.png",
        ".hidden.csv",
        "texts/a.md",
        "texts/b.txt",
        "deep/er/faq.csv",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [each.path for each in suggestions("")] == ["Fragen.CSV", "faq.jsonl", "deep/", "texts/"]
    assert [each.path for each in suggestions("f")] == ["Fragen.CSV", "faq.jsonl", "deep/er/faq.csv"]
    assert [each.path for each in suggestions("texts/")] == ["texts", "texts/a.md", "texts/b.txt"]
    assert suggestions("texts/")[0].note == "2 texts as one source"
    assert [each.path for each in suggestions(f"{tmp_path}/FAQ")] == [f"{tmp_path}/faq.jsonl"]
    assert [each.path for each in suggestions(".h")] == [".hidden.csv"]
    assert [each.path for each in suggestions("picture.png")] == ["picture.png"]
    assert suggestions("no/such/folder/") == []
    assert suggestions("nul\0/") == []


def test_names_that_are_not_what_they_look_like_are_not_offered(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[31m.csv").touch()
    (tmp_path / "b\u202e.csv").touch()
    assert suggestions("") == []
