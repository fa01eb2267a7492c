"""Tables, progress lines and numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgellm.cli import units
from edgellm.cli.progress import bar, progress_line
from edgellm.cli.style import Part, bold, display_width, plain, shorten, wrap
from edgellm.cli.table import Column, lay_out
from edgellm.events import Progressed

CELLS = st.text(alphabet="abक河é ", max_size=40).map(str.strip)


def drawn(lines: list[list[Part]]) -> list[str]:
    return ["".join(map(plain, line)) for line in lines]


def test_columns_are_aligned_and_numbers_are_right() -> None:
    header = [Column("NAME"), Column("SIZE", right=True), Column("NOTE")]
    rows: list[tuple[Part, ...]] = [(bold("a"), "9 MB", "x"), ("long name", "100 MB", "")]
    assert drawn(lay_out(header, rows, None)) == [
        "NAME         SIZE  NOTE",
        "a            9 MB  x",
        "long name  100 MB  ",
    ]


def test_only_flexible_columns_give_way() -> None:
    header = [Column("ID"), Column("TITLE", flexible=True)]
    assert drawn(lay_out(header, [("0123456789", "a long title indeed")], 24)) == [
        "ID          TITLE",
        "0123456789  a long titl…",
    ]


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.integers(24, 80))
def test_a_table_never_leaves_the_terminal(rows: list[tuple[str, str]], width: int) -> None:
    header = [Column("ONE", flexible=True), Column("TWO", right=True, flexible=True)]
    assert all(display_width(line) <= width for line in drawn(lay_out(header, rows, width)))


@given(st.text(max_size=60), st.integers(0, 40))
def test_shortening_keeps_the_width(text: str, width: int) -> None:
    assert display_width(shorten(text, width)) <= width


@given(CELLS, st.integers(6, 40))
def test_wrapping_loses_no_word(text: str, width: int) -> None:
    assert " ".join(wrap(text, width)).split() == text.split()


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    assert [display_width(text) for text in ("abc", "河", "कु", "e\u0301")] == [3, 2, 1, 1]


def test_a_bar_is_filled_to_an_eighth() -> None:
    assert [bar(share, 4) for share in (0, 0.5, 0.53125, 1)] == ["░░░░", "██░░", "██▏░", "████"]


def test_a_progress_line_says_share_amount_rate_and_time() -> None:
    event = Progressed(done=50e6, rate=10e6, left_s=5)
    line = progress_line("smol", event, 100e6, "bytes", 80)
    assert line == "smol  ████████████░░░░░░░░░░░░  50%  50.0 MB of 100 MB  10.0 MB/s  0:05 left"
    assert display_width(line) <= 80


def test_a_progress_line_without_a_total_has_no_bar() -> None:
    assert progress_line("x", Progressed(done=3), None, "files", 80) == "x  3 files"


def test_numbers_as_people_read_them() -> None:
    assert [units.span(s) for s in (0.424, 12.2, 65, 3725)] == ["0.42 s", "12 s", "1:05 min", "1:02 h"]
    assert [units.clock(s) for s in (6.6, 750, 3723)] == ["0:07", "12:30", "1:02:03"]
    assert units.rate(3.14) == "3.1 tok/s"
    assert units.count(1, "check") == "1 check"
    assert units.count(1200, "check") == "1,200 checks"
