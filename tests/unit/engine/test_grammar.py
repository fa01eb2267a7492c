"""The gate for JSON schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.engine.grammar import MAX_DEPTH, check_constraint, check_schema
from edgellm.errors import InvalidSchema
from edgellm.types import Constraint


def refusal(schema: Any) -> InvalidSchema:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    with pytest.raises(InvalidSchema) as caught:
        check_schema(text)
    return caught.value


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


GOOD: list[dict[str, Any]] = [
    {},
    {"type": ["string", "null"]},
    {"type": "object", "properties": {"a": True, "b": {"type": "integer", "minimum": 1}}, "required": ["a"],
     "additionalProperties": False, "title": "T", "description": "D", "examples": [1], "default": {"maxLength": 10**9}},
    {"type": "array", "prefixItems": [{"const": 1}], "items": {"enum": ["a", None]}, "minItems": 1, "maxItems": 1000},
    {"$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"},
    {"anyOf": [{"type": "string", "pattern": "^a+$", "maxLength": 1000}, {"type": "string", "format": "date"}]},
    nested(MAX_DEPTH),
]  # fmt: skip


@pytest.mark.parametrize("schema", GOOD, ids=range(len(GOOD)))
def test_ordinary_schemas_pass(schema: dict[str, Any]) -> None:
    check_schema(json.dumps(schema))


@pytest.mark.parametrize(
    ("schema", "pointer", "keyword"),
    [
        ({"type": "string", "maxLength": 100_000}, "", "maxLength"),
        ({"type": "array", "maxItems": 100_000}, "", "maxItems"),
        ({"type": "array", "minItems": -1}, "", "minItems"),
        ({"type": "string", "maxLength": True}, "", "maxLength"),
        ({"enum": list(range(501))}, "", "enum"),
        ({"enum": []}, "", "enum"),
        ({"type": "nonsense"}, "", "type"),
        ({"type": []}, "", "type"),
        ({"type": "object", "properties": {"a/b": {"not": {}}}}, "/properties/a~1b", "not"),
        ({"anyOf": [{"type": "string"}, {"uniqueItems": True}]}, "/anyOf/1", "uniqueItems"),
        ({"anyOf": []}, "", "anyOf"),
        ({"anyOf": [{}] * 65}, "", "anyOf"),
        ({"$ref": "https://example.org/schema"}, "", "$ref"),
        ({"$ref": "other.json#/a"}, "", "$ref"),
        ({"$ref": 3}, "", "$ref"),
        ({"$ref": "#/$defs/none"}, "", "$ref"),
        ({"const": {"not": {}}, "items": {"$ref": "#/const"}}, "/items", "$ref"),
        ({"$defs": {"a": {}}, "$ref": "#/%24defs/a"}, "", "$ref"),
        ({"items": {"$id": "https://example.org/inner"}}, "/items", "$id"),
        ({"type": "string", "format": "regex"}, "", "format"),
        ({"type": "string", "pattern": "a" * 513}, "", "pattern"),
        ({"patternProperties": {"a" * 513: {}}}, "", "patternProperties"),
        ({"properties": [1]}, "", "properties"),
        ({"properties": {str(n): {} for n in range(201)}}, "", "properties"),
        ({"items": [{"nullable": True}]}, "/items/0", "nullable"),
        ({"x-guidance": {"lenient": True}}, "", "x-guidance"),
        ({"required": [1]}, "", "required"),
        ({"minimum": "1"}, "", "minimum"),
        ({"additionalProperties": {"additionalProperties": 3}}, "/additionalProperties/additionalProperties", ""),
    ],
)
def test_refusals_say_where_and_what(schema: Any, pointer: str, keyword: str) -> None:
    error = refusal(schema)
    assert (error.facts["pointer"], error.facts["keyword"]) == (pointer, keyword)
    assert keyword in error.message


@pytest.mark.parametrize(
    "text",
    ["", "[1]", '"x"', "null", "true", "{", '{"type": "string", "type": "integer"}', '{"minimum": NaN}',
     '{"maximum": Infinity}', '{"minimum": 1e999}', '{"minimum": ' + "9" * 5000 + "}", "[" * 60_000, '{"a":' * 12_000],
)  # fmt: skip
def test_text_that_is_no_schema_is_refused(text: str) -> None:
    refusal(text)


def test_deep_and_large_schemas_are_refused() -> None:
    assert "deeper" in refusal(nested(MAX_DEPTH + 1)).message
    assert "deeper" in refusal(nested(200)).message
    assert "limit" in refusal({"description": "x" * 70_000}).message
    many: dict[str, Any] = {str(n): {"properties": {str(m): {} for m in range(90)}} for n in range(30)}
    assert "more than" in refusal({"properties": many}).message


def chain(length: int, levels: int) -> dict[str, Any]:
    """Definitions that refer to each other one after the other, each `levels` deep."""
    links: dict[str, Any] = {f"a{length}": {"type": "string"}}
    for n in range(length):
        link: dict[str, Any] = {"$ref": f"#/$defs/a{n + 1}"}
        for _ in range(levels):
            link = {"type": "array", "items": link}
        links[f"a{n}"] = link
    return {"$defs": links, "$ref": "#/$defs/a0"}


def test_chains_of_references_are_bounded() -> None:
    check_schema(json.dumps(chain(80, 1)))
    assert "levels" in refusal(chain(150, 1)).message
    assert "levels" in refusal(chain(12, 30)).message


def test_the_keyword_of_a_property_name_is_not_a_keyword() -> None:
    check_schema(json.dumps({"properties": {"not": {"type": "string"}, "maxLength": {"type": "integer"}}}))


def test_raw_grammars_are_for_trusted_callers() -> None:
    grammar = Constraint(kind="grammar", text='start: "a"')
    with pytest.raises(InvalidSchema, match="trusted"):
        check_constraint(grammar)
    check_constraint(grammar, trusted=True)
    with pytest.raises(InvalidSchema, match="rules"):
        check_constraint(Constraint(kind="grammar", text="start: a\n" * 501), trusted=True)
    with pytest.raises(InvalidSchema, match="larger"):
        check_constraint(Constraint(kind="grammar", text="a" * 70_000), trusted=True)
    check_constraint(Constraint(kind="json_object"))


@given(st.text(max_size=200))
def test_any_text_passes_or_is_refused(text: str) -> None:
    try:
        check_schema(text)
    except InvalidSchema:
        return
    assert isinstance(json.loads(text), dict)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["type", "properties", "items", "anyOf", "enum", "const", "maxLength", "$ref", "required", "a", "$defs"]
    ), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_any_json_passes_or_is_refused(value: Any) -> None:
    try:
        check_schema(json.dumps(value))
    except InvalidSchema:
        return
    assert isinstance(value, dict)
