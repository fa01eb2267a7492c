"""Plain text, logs and source code are cut where they are cut by people."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgellm.retrieval.parse.build import Builder
from edgellm.retrieval.parse.plain import read_code, read_log, read_text
from tests.unit.retrieval.parse.reading import blocks


def read(reader: Callable[[str, Builder], None], text: str) -> list[str]:
    builder = Builder("text")
    reader(text, builder)
    return blocks(builder)


def test_paragraphs_end_at_blank_lines_and_underlined_lines_are_headings() -> None:
    text = "=====\nTitle\n=====\r\n\r\nOne\nline.\n \nSub\n---\nTwo.\n\nOther\n====="
    assert read(read_text, text) == [
        "heading1: Title", "text: One\nline.", "heading2: Sub", "text: Two.", "heading1: Other",
    ]  # fmt: skip


def test_a_rule_is_no_underline() -> None:
    assert read(read_text, "A sentence that goes on for long.\n---\nMore.") == [
        "text: A sentence that goes on for long.\n---\nMore."
    ]


def test_a_log_keeps_its_lines_in_blocks_of_fifty() -> None:
    found = read(read_log, "\n".join(f"  line {at}" for at in range(120)))
    assert [len(block.split("\n")) for block in found] == [50, 50, 20]
    assert found[0].startswith("code:   line 0\n  line 1\n")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "import x\n\n# about f\n@once\ndef f():\n    a\n\n    b\n\nclass A:\n    pass\n",
            ["import x", "# about f\n@once\ndef f():\n    a\n\n    b", "class A:\n    pass"],
        ),
        ("int f() {\n  a;\n\n}\n\nint g() {\n}\n", ["int f() {\n  a;\n\n}", "int g() {\n}"]),
        ("try:\n  a\n\nexcept E:\n  b\n", ["try:\n  a\n\nexcept E:\n  b"]),
    ],
)
def test_code_is_cut_between_functions(code: str, expected: list[str]) -> None:
    assert read(read_code, code) == [f"code: {block}" for block in expected]
