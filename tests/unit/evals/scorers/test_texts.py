"""Texts and numbers against what was expected."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.evals.fakes import scored


@pytest.mark.parametrize(
    ("score", "text", "expected", "value"),
    [
        ("exact", " Paris\n", ["Rome", "Paris"], 1),
        ("exact", "paris", ["Paris"], 0),
        ("normalised", "The paris!", ["Paris"], 1),
        ("normalised", "in Paris", ["Paris"], 0),
        ("contains", "It is Paris, of course.", ["Paris"], 1),
        ("contains", "Parisians live there", ["Paris"], 0),
        ("contains", "It is Rome.", ["Paris", "rome"], 1),
        ("regex", "built in 1874", [r"\b18\d\d\b"], 1),
        ("regex", "built in 1974", [r"\b18\d\d\b"], 0),
        ("f1", "the cat sat", ["dog", "cat sat down"], 0.8),
        ("f1", "", ["cat"], 0),
    ],
)
def test_texts(score: str, text: str, expected: list[str], value: float) -> None:
    assert scored(score, text, expected=expected).value == pytest.approx(value)


def test_contains_can_ask_for_all() -> None:
    asked: dict[str, Any] = {"expected": ["hydrogen", "oxygen"], "all": True}
    assert scored("contains", "Oxygen and hydrogen.", **asked).value == 1
    missing = scored("contains", "Only oxygen.", **asked)
    assert (missing.value, missing.reason) == (0, "it does not say “hydrogen”")


def test_a_pattern_that_takes_too_long_counts_as_not_matching() -> None:
    found = scored("regex", "a" * 60 + "b", expected=[r"(a+)+$"])
    assert found.value == 0
    assert "took too long" in found.reason


@pytest.mark.parametrize(
    ("text", "fields", "value"),
    [
        ("There are 217 steps and 3 doors.", {"expected": "217"}, 1),
        ("There are 216 steps.", {"expected": "217"}, 0),
        ("about 216", {"expected": "217", "tolerance": 1}, 1),
        ("about 210", {"expected": "217", "relative": 0.05}, 1),
        ("2 km", {"expected": "2000", "unit": "m"}, 1),
        ("2000", {"expected": "2000", "unit": "m"}, 0),
        ("first 4, then 9", {"expected": "4", "pick": "last"}, 0),
        ("first 4, then 9", {"expected": "4", "pick": "first"}, 1),
        ("no idea", {"expected": "4"}, 0),
    ],
)
def test_numbers(text: str, fields: dict[str, Any], value: float) -> None:
    assert scored("number", text, **fields).value == value


def test_a_schema_holds_for_the_whole_answer() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"pattern": "^x"}}}
    assert scored("schema", ' {"a": "xy"} ', schema=schema).value == 1
    assert scored("schema", '{"a": "y"}', schema=schema).reason == "the answer.a: 'y' does not match '^x'"
    for text in ('Here: {"a": "x"}', '```json\n{"a": "x"}\n```', "", "[" * 100_000, '{"a": NaN}'):
        assert scored("schema", text, schema=schema).value == 0
    assert scored("schema", "[1, 2]", schema=True, expected="[1,2]").value == 1
    assert scored("schema", "[2, 1]", schema=True, expected="[1,2]").value == 0
