"""The published page as data: which routes take what, examples of it, and values that it forbids."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from edgellm.server.app import routes
from edgellm.server.service import Service

Schema = Mapping[str, Any]
Place = tuple[str | int, ...]
SAMPLES: Mapping[str, tuple[Any, ...]] = {
    "null": (None,),
    "boolean": (True,),
    "integer": (7,),
    "number": (1.5,),
    "string": ("no-such-value", ""),
    "array": ([], [[]]),
    "object": ({}, {"no_such_field": 1}),
}
"""Values of every kind that JSON has; what a schema does not take of them is wrong there."""
MOST_DEPTH = 6
"""Of the places in a body that are made wrong."""


@cache
def page() -> dict[str, Any]:
    """The OpenAPI page; no route needs its service for it."""
    return routes(cast(Service, None)).openapi()


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    body: Schema | None
    """Of its JSON; None where it takes none."""
    queries: tuple[str, ...]
    """Names of its parameters behind the question mark."""


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the page."""
    found = []
    for path, methods in page()["paths"].items():
        for method, said in methods.items():
            content = said.get("requestBody", {}).get("content", {})
            queries = tuple(each["name"] for each in said.get("parameters", ()) if each["in"] == "query")
            body = content.get("application/json", {}).get("schema")
            found.append(Operation(method.upper(), path, body, queries))
    return tuple(found)


def variants(schema: Schema) -> list[Schema]:
    """What a schema allows, one entry a kind, references followed."""
    if "$ref" in schema:
        return variants(page()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return [each for option in schema[several] for each in variants(option)]
    return [schema]


def example(schema: Schema) -> Any:
    """The least that a schema takes."""
    first = variants(schema)[0]
    if "const" in first or "enum" in first:
        return first.get("const", first.get("enum", [None])[0])
    kind = first.get("type")
    if kind == "object":
        return {name: example(first["properties"][name]) for name in first.get("required", ())}
    if kind == "array":
        return [example(first.get("items", {}))] * first.get("minItems", 0)
    if kind in ("integer", "number"):
        return max(1, first.get("minimum", 1))
    return {"string": "x" * max(1, first.get("minLength", 1)), "boolean": True}.get(str(kind))


def is_taken(schema: Schema, value: Any) -> bool:
    """Whether a value is valid under a schema; of JSON Schema, what the page uses."""
    return any(_fits(each, value) for each in variants(schema))


def _fits(schema: Schema, value: Any) -> bool:
    kinds = {
        "null": value is None,
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "string": isinstance(value, str),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
    }
    if not kinds.get(str(schema.get("type")), True):
        return False
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    if isinstance(value, str):
        return _fits_length(schema, len(value), "Length") and bool(re.search(schema.get("pattern", ""), value))
    if isinstance(value, list):
        items = schema.get("items", {})
        return _fits_length(schema, len(value), "Items") and all(is_taken(items, each) for each in value)
    if isinstance(value, dict):
        return _fits_object(schema, value)
    return isinstance(value, bool) or not isinstance(value, int | float) or _fits_range(schema, value)


def _fits_length(schema: Schema, length: int, what: str) -> bool:
    return bool(schema.get(f"min{what}", 0) <= length <= schema.get(f"max{what}", length))


def _fits_range(schema: Schema, value: float) -> bool:
    return bool(
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and value > schema.get("exclusiveMinimum", value - 1)
        and value < schema.get("exclusiveMaximum", value + 1)
    )


def _fits_object(schema: Schema, value: dict[str, Any]) -> bool:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    if not set(schema.get("required", ())) <= set(value):
        return False
    for name, each in value.items():
        if name in known:
            fits = is_taken(known[name], each)
        else:
            fits = bool(others) if isinstance(others, bool) else is_taken(others, each)
        if not fits:
            return False
    return True


def wrong(schema: Schema, depth: int = MOST_DEPTH) -> Iterator[tuple[Place, Any]]:
    """Values that a schema forbids, each with the place in it that is wrong."""
    for place, value in _candidates(schema, depth):
        if not is_taken(schema, value):
            yield place, value


def _candidates(schema: Schema, depth: int) -> Iterator[tuple[Place, Any]]:
    for samples in SAMPLES.values():
        yield from (((), sample) for sample in samples)
    for each in variants(schema):
        yield from _beyond(each)
        if depth and each.get("type") == "object":
            yield from _in_object(each, depth)
        elif depth and each.get("type") == "array":
            yield from (((0, *place), [value]) for place, value in wrong(each.get("items", {}), depth - 1))


def _beyond(schema: Schema) -> Iterator[tuple[Place, Any]]:
    """Just outside of each limit."""
    beyond = {"minimum": -1, "maximum": 1, "exclusiveMinimum": 0, "exclusiveMaximum": 0}
    yield from (((), schema[limit] + step) for limit, step in beyond.items() if limit in schema)
    if "maxLength" in schema:
        yield (), "x" * (schema["maxLength"] + 1)
    if "maxItems" in schema:
        yield (), [example(schema.get("items", {}))] * (schema["maxItems"] + 1)
    if "pattern" in schema:
        yield (), "no such\nname"


def _in_object(schema: Schema, depth: int) -> Iterator[tuple[Place, Any]]:
    whole, known = example(schema), schema.get("properties", {})
    yield ("no_such_field",), {**whole, "no_such_field": 1}
    for name in whole:
        yield (name,), {key: value for key, value in whole.items() if key != name}
    for name, inner in known.items():
        yield from (((name, *place), {**whole, name: value}) for place, value in wrong(inner, depth - 1))
    others = schema.get("additionalProperties")
    if isinstance(others, Mapping):
        yield from ((("key", *place), {**whole, "key": value}) for place, value in wrong(others, depth - 1))


def texts(schema: Schema, text: str, depth: int = MOST_DEPTH) -> Iterator[tuple[Place, Any]]:
    """The least values with `text` at one place that takes any text, for each such place."""
    for each in variants(schema):
        if each.get("type") == "string" and is_taken(each, text):
            yield (), text
        elif depth and each.get("type") == "array":
            yield from (((0, *place), [value]) for place, value in texts(each.get("items", {}), text, depth - 1))
        elif depth and each.get("type") == "object":
            whole = example(each)
            for name, inner in each.get("properties", {}).items():
                yield from (((name, *place), {**whole, name: v}) for place, v in texts(inner, text, depth - 1))
