"""One value changes, every other byte stays."""

from __future__ import annotations

import time
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.toml_edit import CannotEdit, with_value

names = st.text(min_size=1, max_size=6)
scalars = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=20), st.just([1, 2])
)
keys = st.one_of(st.tuples(st.sampled_from("abc")), st.tuples(st.sampled_from(("x", "y", "[z]")), names))


@given(st.lists(st.tuples(keys, scalars | st.none()), max_size=12))
def test_any_series_of_edits_gives_the_tree_it_describes(edits: list[tuple[tuple[str, ...], Any]]) -> None:
    text, wanted = "# begin\n", dict[str, Any]()
    for key, value in edits:
        text = with_value(text, key, value)
        table = wanted if len(key) == 1 else wanted.setdefault(key[0], {})
        table.pop(key[-1], None)
        if value is not None:
            table[key[-1]] = value
    found = tomllib.loads(text)
    assert {name: value for name, value in found.items() if value != {}} == {
        name: value for name, value in wanted.items() if value != {}
    }
    assert text.startswith("# begin\n") or "# begin\n" in text


def test_only_the_statement_changes() -> None:
    text = "# top\na = 1  # one\n\n  [t] # table\n'b.c' = [\n 1,\n]\nd = 2\n"
    assert with_value(text, ("t", "b.c"), 5) == "# top\na = 1  # one\n\n  [t] # table\n'b.c' = 5\nd = 2\n"
    assert with_value(text, ("t", "d"), None) == text.removesuffix("d = 2\n")
    assert with_value(text, ("t", "e"), "x") == text.replace("# table\n", '# table\ne = "x"\n')
    assert with_value(text, ("a",), 1) == text


@pytest.mark.parametrize("odd", ["\x85", "\u2028", "a = 1", "a\" = '"])
def test_odd_names_are_changed_again(odd: str) -> None:
    text = with_value(with_value("", ("t", odd), odd), ("t", odd), 2)
    assert tomllib.loads(text) == {"t": {odd: 2}}


def test_a_value_in_an_inline_table_is_left_to_the_user() -> None:
    with pytest.raises(CannotEdit, match=r"t\.b = 2"):
        with_value("t = { b = 1 }\n", ("t", "b"), 2)


def test_a_type_is_a_difference() -> None:
    assert with_value("a = 1\n", ("a",), True) == "a = true\n"
    assert with_value("a = 1\n", ("a",), 1.0) == "a = 1.0\n"


def test_line_ends_stay_as_they_are() -> None:
    text = "# top\r\na = 1\r\n[t]\r\nb = [\r\n 1,\r\n]\r\n"
    assert with_value(text, ("t", "b"), 2) == "# top\r\na = 1\r\n[t]\r\nb = 2\r\n"
    assert with_value(text, ("u", "c"), 3) == text + "\r\n[u]\r\nc = 3\r\n"


def test_a_long_file_full_of_the_same_key_takes_no_time() -> None:
    text = "".join(f"[t{number}]\nkey = 1\n" for number in range(200))
    started = time.thread_time()
    assert with_value(text, ("t199", "key"), 2) == text[: -len("1\n")] + "2\n"
    assert time.thread_time() - started < 10
