"""Tools that a request offers: their names and schemas, and what a call must be valid under."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgellm.engine.call_syntax import NAME
from edgellm.engine.grammar import LISTED_SCHEMAS, MAX_BRANCHES, NAMED_SCHEMAS, SINGLE_SCHEMAS, check_schema
from edgellm.errors import InvalidInput, InvalidSchema
from edgellm.types import Tool

MAX_TOOLS = 128
CHOICES = ("auto", "none", "required")
"""What `tool_choice` can be besides a tool's name; no tool has such a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """The tools of one request, checked."""

    tools: tuple[Tool, ...] = ()
    """What the model is told of."""
    wanted: tuple[Tool, ...] = ()
    """What it has to choose from; empty where it may answer in words."""


NO_TOOLS = ToolUse()


def tool_use(tools: Sequence[Tool], choice: str) -> ToolUse:
    """What a request's tools and its `tool_choice` come to. Raises: InvalidInput, InvalidSchema."""
    if len(tools) > MAX_TOOLS:
        raise InvalidInput(f"{len(tools)} tools were given; at most {MAX_TOOLS} are taken.", field="tools")
    names: set[str] = set()
    for tool in tools:
        _check_name(tool.name, names)
        names.add(tool.name)
        _check_parameters(tool)
    if choice not in CHOICES and choice not in names:
        known = ", ".join((*CHOICES, *sorted(names)))[:400]
        raise InvalidInput(f"tool_choice is {choice[:80]!r}; it must be one of: {known}.", field="tool_choice")
    if choice == "required" and not tools:
        raise InvalidInput("tool_choice is 'required', and there are no tools.", field="tool_choice")
    if choice == "none":
        return NO_TOOLS
    wanted = tuple(tool for tool in tools if choice in ("required", tool.name))
    return ToolUse(tools=tuple(tools), wanted=wanted)


def call_schema(tools: Sequence[Tool], arguments: str) -> str:
    """A JSON schema for one call of one of the tools, as `{"name": ..., ARGUMENTS: {...}}`.

    arguments: the key of the arguments. Raises: InvalidSchema when the tools together are too large to be enforced.
    """
    schema = json.dumps(_one_of(tools, arguments, "#"))
    _check(schema, "The tools together")
    return schema


def _check_name(name: str, taken: set[str]) -> None:
    if re.fullmatch(NAME, name) is None:
        raise InvalidInput(
            f"The tool name {name[:80]!r} is not usable: letters, digits, _ and -, 1 to 64 of them.", field="tools"
        )
    if name in CHOICES:
        raise InvalidInput(f"No tool may be called {name!r}: tool_choice has a meaning for it.", field="tools")
    if name in taken:
        raise InvalidInput(f"Two tools are called {name!r}.", field="tools")


def _check_parameters(tool: Tool) -> None:
    what = f"The parameters of the tool {tool.name!r}"
    _check(tool.parameters, what)
    kind = json.loads(tool.parameters).get("type", "object")
    if kind != "object":
        raise InvalidSchema(f"{what} are of the type {str(kind)[:60]!r}; it must be 'object'.", field="tools")


def _check(schema: str, what: str) -> None:
    try:
        check_schema(schema)
    except InvalidSchema as refusal:
        facts = {**refusal.facts, "field": "tools"}
        raise InvalidSchema(f"{what}: {refusal.message}", hint=refusal.hint, **facts) from refusal


def _one_of(tools: Sequence[Tool], arguments: str, here: str) -> dict[str, Any]:
    """The schema at the JSON pointer `here`; more tools than a branching may have are branched twice."""
    if len(tools) == 1:
        return _call(tools[0], arguments, here)
    size = 1 if len(tools) <= MAX_BRANCHES else MAX_BRANCHES
    groups = [tools[at : at + size] for at in range(0, len(tools), size)]
    return {"anyOf": [_one_of(group, arguments, f"{here}/anyOf/{number}") for number, group in enumerate(groups)]}


def _call(tool: Tool, arguments: str, here: str) -> dict[str, Any]:
    own = {name: part for name, part in json.loads(tool.parameters).items() if name not in ("$id", "$schema")}
    return {
        "type": "object",
        "properties": {
            "name": {"enum": [tool.name]},
            arguments: {**_moved(own, f"{here}/properties/{arguments}"), "type": "object"},
        },
        "required": ["name", arguments],
        "additionalProperties": False,
    }


def _moved(schema: Any, root: str) -> Any:
    """A checked schema whose references to its own root lead to the JSON pointer `root`."""
    if not isinstance(schema, dict):
        return schema
    moved = dict(schema)
    for keyword, value in schema.items():
        if keyword == "$ref":
            moved[keyword] = root + value[1:]
        elif keyword in NAMED_SCHEMAS:
            moved[keyword] = {name: _moved(part, root) for name, part in value.items()}
        elif keyword in LISTED_SCHEMAS or (keyword == "items" and isinstance(value, list)):
            moved[keyword] = [_moved(part, root) for part in value]
        elif keyword in SINGLE_SCHEMAS:
            moved[keyword] = _moved(value, root)
    return moved
