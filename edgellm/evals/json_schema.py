"""Whether a JSON value is valid under a schema (JSON Schema 2020-12), by jsonschema; pure.

Four things are done otherwise than there: patterns have a limit of time; a multiple of 0.1 is judged in decimals, as
people write them; nothing is ever fetched for a reference; and a keyword that is not checked is refused when a suite is
read, because a schema that is only half checked would call wrong answers right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from typing import Any

Schema = Mapping[str, Any] | bool
Matches = Callable[[str, str], bool]
"""A pattern and a text to whether the pattern is found in it."""

DEEPEST = 64
MOST_PROBLEMS = 20
LONGEST = 200
"""Characters of a problem, which repeats the value that it is about."""
CHECKED = frozenset({
    "type", "enum", "const", "properties", "required", "additionalProperties", "minProperties", "maxProperties",
    "items", "prefixItems", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "minimum",
    "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "anyOf", "oneOf", "allOf", "not", "$ref",
    "if", "then", "else", "contains", "minContains", "maxContains", "propertyNames", "dependentRequired",
    "dependentSchemas",
})  # fmt: skip
PASSED_OVER = frozenset({
    "$schema", "$id", "$defs", "definitions", "title", "description", "examples", "default", "$comment",
})  # fmt: skip
_NAMED = ("properties", "$defs", "definitions", "dependentSchemas")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")


def unknown_keywords(schema: Any) -> list[str]:
    """What this check cannot judge: names of keywords, or what is wrong with the schema's shape."""
    found = list(dict.fromkeys(_unknown(schema, 0)))
    return found or _misshapen(schema)


def problems(value: Any, schema: Schema, matches: Matches) -> list[str]:
    """What is wrong with a value, each with its place; empty: it is valid."""
    from referencing.exceptions import Unresolvable

    try:
        return [_said(error) for error in islice(_validator(matches)(schema).iter_errors(value), MOST_PROBLEMS)]
    except RecursionError:
        return ["the answer is nested too deeply, or the schema refers to itself without an end"]
    except Unresolvable as error:
        return [f"the schema refers to {str(error.ref)[:LONGEST]!r}, which is nowhere"]


def _said(error: Any) -> str:
    place = "the answer" + error.json_path.removeprefix("$")
    return f"{place}: {error.message}"[:LONGEST]


@lru_cache(maxsize=4)
def _validator(matches: Matches) -> Callable[[Schema], Any]:
    """Makes validators whose patterns are looked for by `matches`."""
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend
    from referencing import Registry

    def pattern(_validator: Any, wanted: str, text: Any, _schema: Any) -> Iterator[Any]:
        if isinstance(text, str) and not matches(wanted, text):
            yield ValidationError(f"{text!r} does not match {wanted!r}")

    def multiple_of(_validator: Any, step: float, number: Any, _schema: Any) -> Iterator[Any]:
        if isinstance(number, int | float) and not isinstance(number, bool) and not _is_multiple(number, step):
            yield ValidationError(f"{number!r} is not a multiple of {step}")

    kind = extend(Draft202012Validator, {"pattern": pattern, "multipleOf": multiple_of})
    return lambda schema: kind(schema, registry=Registry())


def _is_multiple(number: float, step: float) -> bool:
    return math.isfinite(number) and (Fraction(str(number)) / Fraction(str(step))).denominator == 1


def _misshapen(schema: Any) -> list[str]:
    """What the meta-schema says, about the first fault."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return [_said(error).replace("the answer", "the schema", 1)]
    except RecursionError:
        return ["it is nested too deeply"]
    return []


def _unknown(schema: Any, depth: int) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield f"a schema must be an object, not {json.dumps(schema)[:40]}"
        return
    if depth > DEEPEST:
        yield "it is nested too deeply"
        return
    yield from (key for key in schema if key not in CHECKED | PASSED_OVER)
    ref = schema.get("$ref")
    if ref is not None and not (isinstance(ref, str) and ref.startswith("#")):
        yield f"$ref {ref!r}: only references within the schema are followed"
    for part in _parts(schema):
        yield from _unknown(part, depth + 1)


def _parts(schema: Mapping[str, Any]) -> Iterator[Any]:
    """The schemas within a schema."""
    for key in _NAMED:
        found = schema.get(key, {})
        yield from found.values() if isinstance(found, dict) else [found]
    for key in _LISTED:
        found = schema.get(key, [])
        yield from found if isinstance(found, list) else [found]
    yield from (schema[key] for key in _SINGLE if key in schema)
