"""Markdown that grows looks like Markdown that came at once."""

from __future__ import annotations

import pytest
from edgellm_tui.render.markdown import MarkdownText
from edgellm_tui.render.tables import column_widths
from hypothesis import example, given, settings
from hypothesis import strategies as st

SAMPLE = """# Title

A *paragraph* with `code`, **strong** and a [link](https://example.org/x).

- one
- two
  1. deep
  2. deeper

```python
def f():
    return 1
```

| a | b |
|---|---|
| 1 | a very long cell that has to wrap somewhere |

> quoted

---

Last words.
"""
FRAGMENTS = st.sampled_from(
    [
        "# h",
        "text",
        "\n",
        "\n\n",
        "- item",
        "1. item",
        "```",
        "```py\n",
        "> q",
        "| a | b |",
        "|---|---|",
        "  ",
        "*e*",
        "---",
    ]
)


def plain(text: MarkdownText, width: int = 60) -> list[str]:
    return [line.plain.rstrip() for line in text.lines(width)]


@given(st.lists(FRAGMENTS, max_size=25))
@example(["text\n| a | b |\n|---|---|", "# h"])  # a table until its second line goes on
@settings(max_examples=150, deadline=None)
def test_growing_piece_by_piece_ends_like_the_whole(pieces: list[str]) -> None:
    growing = MarkdownText()
    for piece in pieces:
        growing.append(piece)
        growing.lines(60)
    assert plain(growing) == plain(MarkdownText("".join(pieces)))


@pytest.mark.parametrize("size", [1, 3, 7])
def test_the_sample_grows_to_the_same_lines(size: int) -> None:
    growing = MarkdownText()
    for start in range(0, len(SAMPLE), size):
        growing.append(SAMPLE[start : start + size])
        growing.lines(40)
    assert plain(growing, 40) == plain(MarkdownText(SAMPLE), 40)
    assert growing.code_blocks() == ["def f():\n    return 1"]


@given(st.text(max_size=300), st.integers(4, 100))
@settings(max_examples=150, deadline=None)
def test_no_line_is_wider_than_asked(source: str, width: int) -> None:
    assert all(line.cell_length <= width for line in MarkdownText(source).lines(width))


def test_finished_blocks_are_not_laid_out_again() -> None:
    text = MarkdownText("one\n\ntwo\n\n")
    text.append("three")
    text.lines(60)
    first = text._settled[0].lines
    text.append(" and more")
    text.lines(60)
    assert text._settled[0].lines is first


def test_structure_is_shown() -> None:
    shown = plain(MarkdownText(SAMPLE), 60)
    assert "• one" in shown
    assert any(line.startswith("  1. deep") for line in shown)
    assert any("│" in line and "wrap" in line for line in shown)
    assert "▎ quoted" in shown
    assert "─" * 60 in shown
    assert any("(https://example.org/x)" in line for line in shown)


def test_html_is_text_and_entities_cannot_smuggle_controls() -> None:
    shown = "\n".join(plain(MarkdownText("<b>x</b> &#27;[31m &#x202e;abc &#155;2J &rlm;<script>")))
    assert "<b>x</b>" in shown
    assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) <= 0x9F for c in shown)
    assert "\u202e" not in shown
    assert "\u200f" not in shown


def test_wide_tables_give_way_in_their_widest_column() -> None:
    assert column_widths([5, 50, 5], 40) == [5, 24, 5]
    assert column_widths([5, 6], 40) == [5, 6]
    assert min(column_widths([30] * 10, 40)) == 4


def test_columns_of_a_table_stand_where_their_second_line_says() -> None:
    source = "| Fish | Size | Sea |\n|---|---:|:-:|\n| Cod | 1 | Baltic |\n| Whiting | 12,000 | N |\n"
    lines = [line.plain.rstrip() for line in MarkdownText(source).lines(60)]
    assert lines == [
        "Fish    │   Size │  Sea",
        "────────┼────────┼───────",
        "Cod     │      1 │ Baltic",
        "Whiting │ 12,000 │   N",
    ]
