"""What tools may be offered, and the schema that a call has to be valid under."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgellm.engine.grammar import check_schema
from edgellm.engine.tools import MAX_TOOLS, NO_TOOLS, call_schema, tool_use
from edgellm.errors import InvalidInput, InvalidSchema
from edgellm.types import Tool


def tool(name: str = "weather", parameters: Any = None) -> Tool:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}} if parameters is None else parameters
    return Tool(name=name, parameters=schema if isinstance(schema, str) else json.dumps(schema))


MANY = [tool(f"tool_{number}") for number in range(MAX_TOOLS)]


def test_the_choice_says_what_is_shown_and_what_has_to_be_called() -> None:
    tools = [tool(), tool("time_in")]
    assert tool_use(tools, "auto").tools == tuple(tools)
    assert tool_use(tools, "auto").wanted == ()
    assert tool_use(tools, "required").wanted == tuple(tools)
    assert tool_use(tools, "time_in").wanted == (tools[1],)
    assert tool_use(tools, "time_in").tools == tuple(tools)
    assert tool_use(tools, "none") == tool_use([], "auto") == NO_TOOLS


@pytest.mark.parametrize(
    ("tools", "choice", "field", "said"),
    [
        ([tool("")], "auto", "tools", "''"),
        ([tool("a" * 65)], "auto", "tools", "1 to 64"),
        ([tool("naïve")], "auto", "tools", "naïve"),
        ([tool("a\n")], "auto", "tools", "letters"),
        ([tool("none")], "auto", "tools", "none"),
        ([tool(), tool()], "auto", "tools", "Two tools"),
        ([*MANY, tool()], "auto", "tools", "128"),
        ([tool()], "wether", "tool_choice", "wether"),
        ([], "required", "tool_choice", "no tools"),
    ],
)
def test_what_cannot_be_offered_is_refused_by_name(tools: list[Tool], choice: str, field: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        tool_use(tools, choice)
    assert caught.value.facts["field"] == field


@pytest.mark.parametrize(
    "parameters",
    ["", "[]", "nonsense", {"type": "string"}, {"type": "object", "properties": {"a": {"not": {}}}},
     {"properties": {"a": {"$ref": "https://example.org/schema"}}}],
)  # fmt: skip
@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_schemas_pass_the_gate_first(parameters: Any, choice: str) -> None:
    with pytest.raises(InvalidSchema, match="'weather'") as caught:
        tool_use([tool("weather", parameters)], choice)
    assert caught.value.facts["field"] == "tools"


def at(schema: Any, pointer: str) -> Any:
    """What a reference leads to (RFC 6901)."""
    for step in pointer.removeprefix("#").split("/")[1:]:
        schema = schema[int(step)] if isinstance(schema, list) else schema[step.replace("~1", "/").replace("~0", "~")]
    return schema


def test_one_tool_is_its_own_schema_with_its_name() -> None:
    schema = json.loads(call_schema([tool()], "parameters"))
    assert schema["required"] == ["name", "parameters"]
    assert schema["properties"]["name"] == {"enum": ["weather"]}
    assert schema["properties"]["parameters"] == {"type": "object", "properties": {"city": {"type": "string"}}}


def test_references_lead_to_where_the_definitions_went() -> None:
    node = {
        "$id": "https://example.org/node",
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}, "items": {"type": "null"}},
        "properties": {
            "$ref": {"type": "string"},
            "first": {"$ref": "#/$defs/n"},
            "all": {"type": "array", "items": {"anyOf": [{"$ref": "#"}, {"$ref": "#/$defs/items"}]}},
            "kept": {"const": {"$ref": "#/$defs/n"}},
        },
    }
    for tools in ([tool("walk", node)], [tool(), tool("walk", node)], [*MANY[:100], tool("walk", node)]):
        text = call_schema(tools, "arguments")
        check_schema(text)
        references = [part for part in _objects(json.loads(text)) if isinstance(part.get("$ref"), str)]
        found = [at(json.loads(text), part["$ref"]) for part in references if part != {"$ref": "#/$defs/n"}]
        assert {"type": "null"} in found
        assert any(isinstance(part, dict) and "next" in part.get("properties", {}) for part in found)
        assert '{"const": {"$ref": "#/$defs/n"}}' in text


def _objects(value: Any) -> list[dict[str, Any]]:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [*([value] if isinstance(value, dict) else []), *(found for part in parts for found in _objects(part))]


def test_as_many_tools_as_are_taken_can_be_chosen_from() -> None:
    schema = json.loads(call_schema(MANY, "arguments"))
    names = [part["enum"][0] for part in _objects(schema) if "enum" in part]
    assert names == [tool.name for tool in MANY]


def test_tools_that_are_too_large_together_are_refused() -> None:
    large = {"type": "object", "properties": {f"p{n}": {"enum": ["x" * 90]} for n in range(100)}}
    with pytest.raises(InvalidSchema, match="together") as caught:
        call_schema([tool(f"t{number}", large) for number in range(20)], "arguments")
    assert caught.value.facts["field"] == "tools"
