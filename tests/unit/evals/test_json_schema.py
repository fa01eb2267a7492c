"""The check of JSON values, keyword by keyword."""

from __future__ import annotations

from typing import Any

import pytest

from edgellm.evals.json_schema import problems, unknown_keywords


def is_valid(value: Any, schema: Any) -> bool:
    return not problems(value, schema, lambda pattern, text: pattern in text)


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "integer"}, [1, 2.0], [1.5, "1", True]),
        ({"type": ["string", "null"]}, ["a", None], [1]),
        ({"enum": [1, "a"]}, [1, 1.0, "a"], [True, "b"]),
        ({"const": {"a": [1]}}, [{"a": [1.0]}], [{"a": [2]}, {}]),
        ({"minimum": 2, "maximum": 3}, [2, 3, "x"], [1, 4]),
        ({"exclusiveMinimum": 2, "exclusiveMaximum": 4}, [3], [2, 4]),
        ({"multipleOf": 0.1}, [0.3, 1e300], [0.35, float("inf")]),
        ({"multipleOf": 0.01}, [19.99, 4], [19.999]),
        ({"minLength": 2, "maxLength": 3}, ["ab", 5], ["a", "abcd"]),
        ({"pattern": "b"}, ["abc", 1], ["ac"]),
        ({"required": ["a"]}, [{"a": 1}, []], [{}]),
        (
            {"properties": {"a": {"type": "string"}}, "additionalProperties": False},
            [{"a": "x"}, {}],
            [{"a": 1}, {"b": 1}],
        ),
        ({"additionalProperties": {"type": "integer"}}, [{"x": 1}], [{"x": "1"}]),
        ({"minProperties": 1, "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 2}]),
        ({"items": {"type": "integer"}, "minItems": 1, "maxItems": 2}, [[1], [1, 2]], [[], ["a"], [1, 2, 3]]),
        ({"prefixItems": [{"type": "string"}], "items": False}, [["a"], []], [[1], ["a", 2]]),
        ({"uniqueItems": True}, [[1, True, "1"]], [[1, 1.0]]),
        ({"anyOf": [{"type": "string"}, {"minimum": 5}]}, ["a", 6], [4]),
        ({"oneOf": [{"minimum": 1}, {"minimum": 5}]}, [3], [0, 6]),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, [1], [3]),
        ({"not": {"type": "null"}}, [1], [None]),
        ({"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}, [[1]], [["a"]]),
        ({"$ref": "#/nowhere"}, [], [1]),
        ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 2}}, ["ab", 2], ["a", 1]),
        ({"contains": {"type": "integer"}}, [["a", 1]], [["a"]]),
        ({"propertyNames": {"maxLength": 1}}, [{"a": 1}], [{"ab": 1}]),
        (True, [1], []),
        (False, [], [1]),
    ],
)
def test_keywords(schema: Any, right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not is_valid(value, schema)] == []
    assert [value for value in wrong if is_valid(value, schema)] == []


def test_a_problem_names_its_place() -> None:
    schema = {"properties": {"people": {"items": {"required": ["age"]}}}}
    found = problems({"people": [{"age": 1}, {}]}, schema, lambda _p, _t: True)
    assert found == ["the answer.people[1]: 'age' is a required property"]


def test_a_schema_that_refers_to_itself_ends() -> None:
    tree = {"properties": {"left": {"$ref": "#"}}, "additionalProperties": False}
    assert is_valid({"left": {"left": {}}}, tree)
    assert not is_valid({"left": {"right": {}}}, tree)
    assert not is_valid(1, {"$ref": "#"}), "a circle is no endless loop"
    assert not is_valid(1, {"allOf": [{"$ref": "#"}] * 4}), "nor one with branches"
    deep: Any = {}
    for _ in range(100):
        deep = {"properties": {"a": deep}}
    assert unknown_keywords(deep) == ["it is nested too deeply"]


def test_nothing_is_fetched_and_a_long_value_is_not_repeated() -> None:
    found = problems(1, {"$ref": "http://127.0.0.1:1/schema"}, lambda _p, _t: True)
    assert "nowhere" in found[0]
    assert len(problems("x" * 10_000, {"type": "integer"}, lambda _p, _t: True)[0]) <= 200


def test_what_is_not_checked_is_named() -> None:
    assert unknown_keywords({"properties": {"a": {"format": "date"}}}) == ["format"]
    assert "'text' is not valid" in unknown_keywords({"type": "text"})[0]
    assert unknown_keywords({"items": 3}) == ["a schema must be an object, not 3"]
    assert "the schema.multipleOf" in unknown_keywords({"multipleOf": 0})[0]
    for keyword in ("patternProperties", "unevaluatedProperties", "$dynamicRef"):
        assert unknown_keywords({keyword: {}}) == [keyword], "it looks for patterns without a limit, or is not followed"
    assert unknown_keywords({"$ref": "https://example.org/schema"})
    assert not unknown_keywords({"title": "x", "anyOf": [{"type": "string"}, True]})
