"""Markdown files: structure without the marks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("selectolax")

from edgellm.retrieval.parse import markdown
from edgellm.retrieval.parse.build import Builder
from tests.unit.retrieval.parse.reading import blocks


def read(text: str) -> Builder:
    builder = Builder("markdown")
    markdown.read(text, builder)
    return builder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# One\n\nTwo *bold* [link](url) `code`\nline", ["heading1: One", "text: Two bold link code\nline"]),
        ("Under\n---\n\nx", ["heading2: Under", "text: x"]),
        ("- a\n- b\n  - c\n\n  more\n\nd", ["text: - a\n- b\n- c\nmore", "text: d"]),
        ("1. a\n2. b", ["text: 1. a\n2. b"]),
        ("| a | b |\n|---|---|\n| 1 | 2 |", ["table: a | b\n1 | 2"]),
        ("```py\n# no heading\n  x\n```", ["code: # no heading\n  x"]),
        ("> quoted", ["text: quoted"]),
        ("<!-- hidden --><p>shown</p>", ["text: shown"]),
    ],
)
def test_a_file_is_read(text: str, expected: list[str]) -> None:
    assert blocks(read(text)) == expected


def test_what_is_nested_deeply_is_read_and_what_is_deeper_is_told() -> None:
    levels = [f"{'  ' * level}- level {level}\n" for level in range(60)]
    assert read("".join(levels[:49])).document().text.endswith("- level 48")
    assert read("".join(levels[:49])).document().notices == ()
    assert read("".join(levels)).document().notices == ("lists and quotes below the 100th level were left out",)
    assert read("> " * 120 + "deep\n\nshown").document().notices[0].startswith("lists and quotes below")


def test_yaml_before_the_text_gives_title_and_day() -> None:
    document = read('---\ntitle: "Hi"\ndate: 2024-01-02\n---\nText').document()
    assert (document.title, document.written, document.text) == ("Hi", "2024-01-02", "Text")


@given(st.text(alphabet="#*_`[]()<>|-\n ab1.", max_size=200))
def test_any_text_is_markdown(text: str) -> None:
    read(text).document()
