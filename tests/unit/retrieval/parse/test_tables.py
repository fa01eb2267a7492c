"""CSV and TSV files: each row with the names of its columns."""

from __future__ import annotations

import pytest

from edgellm.retrieval.parse import tables
from edgellm.retrieval.parse.build import Builder
from edgellm.retrieval.parse.refusal import Refused


def read(text: str) -> str:
    builder = Builder("csv")
    tables.read(text, builder)
    return builder.document().text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name,age\nAl,30\nBo,\n", "name | age\nname: Al | age: 30\nname: Bo"),
        ("name;size\nAl;1,5\n", "name | size\nname: Al | size: 1,5"),
        ("a\tb\n1\t2\n", "a | b\na: 1 | b: 2"),
        ('q,a\n"one\ntwo, three","says ""no"""\n', 'q | a\nq: one two, three | a: says "no"'),
        ("1,2\n3,4\n", "1 | 2\n3 | 4"),
        ("All of them,,\nname,age,\nAl,3,x\n", "All of them\n\nname: Al | age: 3 | x"),
        ("one\ntwo\n", "one\ntwo"),
    ],
)
def test_rows_are_read(text: str, expected: str) -> None:
    assert read(text) == expected


def test_a_field_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "FIELD_LIMIT_CHARS", 100)
    with pytest.raises(Refused, match="no valid CSV: field larger"):
        read('a,b\n1,"' + "x\n" * 200)
