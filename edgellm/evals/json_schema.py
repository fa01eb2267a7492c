"""Whether a JSON value is valid under a schema: the keywords that describe answers of models; pure.

JSON Schema 2020-12 without `format`, remote references and dynamic scopes. A keyword that is not known here is
refused when a suite is read: a schema that is only half checked would call wrong answers right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any] | bool
Matches = Callable[[str, str], bool]
"""A pattern and a text to whether the pattern is found in it."""

DEEPEST = 64
CHECKED = frozenset({
    "type", "enum", "const", "properties", "required", "additionalProperties", "minProperties", "maxProperties",
    "items", "prefixItems", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "minimum",
    "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "anyOf", "oneOf", "allOf", "not", "$ref",
})  # fmt: skip
PASSED_OVER = frozenset({
    "$schema", "$id", "$defs", "definitions", "title", "description", "examples", "default", "$comment",
})  # fmt: skip
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: _is_number(value),
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
}
_BOUNDS: Mapping[str, tuple[Callable[[Any], bool], Callable[[Any, Any], bool], str]] = {
    "minimum": (lambda v: _is_number(v), lambda v, bound: v >= bound, "is below"),
    "maximum": (lambda v: _is_number(v), lambda v, bound: v <= bound, "is above"),
    "exclusiveMinimum": (lambda v: _is_number(v), lambda v, bound: v > bound, "is not above"),
    "exclusiveMaximum": (lambda v: _is_number(v), lambda v, bound: v < bound, "is not below"),
    "multipleOf": (lambda v: _is_number(v), lambda v, step: _is_multiple(v, step), "is no multiple of"),
    "minLength": (lambda v: isinstance(v, str), lambda v, bound: len(v) >= bound, "is shorter than"),
    "maxLength": (lambda v: isinstance(v, str), lambda v, bound: len(v) <= bound, "is longer than"),
    "minItems": (lambda v: isinstance(v, list), lambda v, bound: len(v) >= bound, "has fewer items than"),
    "maxItems": (lambda v: isinstance(v, list), lambda v, bound: len(v) <= bound, "has more items than"),
    "minProperties": (lambda v: isinstance(v, dict), lambda v, bound: len(v) >= bound, "has fewer keys than"),
    "maxProperties": (lambda v: isinstance(v, dict), lambda v, bound: len(v) <= bound, "has more keys than"),
}


def unknown_keywords(schema: Any, depth: int = 0) -> list[str]:
    """What this check cannot judge: names of keywords, or what is wrong with the schema's shape."""
    if isinstance(schema, bool):
        return []
    if not isinstance(schema, dict):
        return [f"a schema must be an object, not {json.dumps(schema)[:40]}"]
    if depth > DEEPEST:
        return ["it is nested too deeply"]
    found = [key for key in schema if key not in CHECKED | PASSED_OVER]
    found += [str(each) for each in _names(schema.get("type", [])) if each not in _TYPES]
    ref = schema.get("$ref")
    if ref is not None and not (isinstance(ref, str) and ref.startswith("#")):
        found.append(f"$ref {ref!r}: only references within the schema are followed")
    return found + [each for part in _parts(schema) for each in unknown_keywords(part, depth + 1)]


def problems(value: Any, schema: Schema, matches: Matches) -> list[str]:
    """What is wrong with a value, each with its place; empty: it is valid."""
    return list(_problems(value, schema, "the answer", _Root(schema, matches)))


class _Root:
    """The whole schema, for references, and how patterns are looked for."""

    def __init__(self, schema: Schema, matches: Matches, depth: int = 0) -> None:
        self.schema, self.matches, self.depth = schema, matches, depth

    def below(self) -> _Root:
        return _Root(self.schema, self.matches, self.depth + 1)

    def target(self, ref: str) -> Schema | None:
        found: Any = self.schema
        for part in ref.removeprefix("#").split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, dict | bool) else None


def _problems(value: Any, schema: Schema, place: str, root: _Root) -> Iterator[str]:
    if isinstance(schema, bool):
        if not schema:
            yield f"{place} must not be there"
        return
    if root.depth > DEEPEST:
        yield f"{place} is nested too deeply"
        return
    yield from _type_and_value(value, schema, place)
    for keyword, (applies, holds, words) in _BOUNDS.items():
        if keyword in schema and applies(value) and not holds(value, schema[keyword]):
            yield f"{place} {words} {schema[keyword]}"
    if isinstance(value, str) and "pattern" in schema and not root.matches(schema["pattern"], value):
        yield f"{place} does not match {schema['pattern']!r}"
    if isinstance(value, dict):
        yield from _object(value, schema, place, root)
    if isinstance(value, list):
        yield from _array(value, schema, place, root)
    yield from _combined(value, schema, place, root)


def _type_and_value(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    types = _names(schema.get("type", []))
    if types and not any(_TYPES[each](value) for each in types):
        yield f"{place} is {json.dumps(value)[:40]}, not of type {' or '.join(types)}"
    if "enum" in schema and not any(_equal(value, each) for each in schema["enum"]):
        yield f"{place} is {json.dumps(value)[:40]}, none of {json.dumps(schema['enum'])[:80]}"
    if "const" in schema and not _equal(value, schema["const"]):
        yield f"{place} is {json.dumps(value)[:40]}, not {json.dumps(schema['const'])[:80]}"


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], place: str, root: _Root) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place} has no {name!r}"
    for name, part in value.items():
        if name in known:
            yield from _problems(part, known[name], f"{place}.{name}", root.below())
        elif schema.get("additionalProperties", True) is False:
            yield f"{place} has {name!r}, which the schema does not know"
        else:
            yield from _problems(part, schema.get("additionalProperties", True), f"{place}.{name}", root.below())


def _array(value: list[Any], schema: Mapping[str, Any], place: str, root: _Root) -> Iterator[str]:
    first = schema.get("prefixItems", [])
    for at, item in enumerate(value):
        part = first[at] if at < len(first) else schema.get("items", True)
        yield from _problems(item, part, f"{place}[{at}]", root.below())
    if schema.get("uniqueItems") and any(_equal(a, b) for at, a in enumerate(value) for b in value[:at]):
        yield f"{place} has the same item twice"


def _combined(value: Any, schema: Mapping[str, Any], place: str, root: _Root) -> Iterator[str]:
    def holds(part: Schema) -> bool:
        return next(_problems(value, part, place, root.below()), None) is None

    if "$ref" in schema:
        target = root.target(schema["$ref"])
        if target is None:
            yield f"{place}: {schema['$ref']!r} leads nowhere"
        else:
            yield from _problems(value, target, place, root.below())
    for part in schema.get("allOf", []):
        yield from _problems(value, part, place, root.below())
    if "anyOf" in schema and not any(map(holds, schema["anyOf"])):
        yield f"{place} fits none of the alternatives"
    if "oneOf" in schema and (fitting := sum(map(holds, schema["oneOf"]))) != 1:
        yield f"{place} fits {fitting} of the alternatives, not one"
    if "not" in schema and holds(schema["not"]):
        yield f"{place} is what it must not be"


def _parts(schema: Mapping[str, Any]) -> Iterator[Any]:
    """The schemas within a schema."""
    for key in ("properties", "$defs", "definitions"):
        found = schema.get(key, {})
        yield from found.values() if isinstance(found, dict) else [found]
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        found = schema.get(key, [])
        yield from found if isinstance(found, list) else [found]
    yield from (schema[key] for key in ("items", "additionalProperties", "not") if key in schema)


def _names(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_multiple(value: float, step: float) -> bool:
    return abs(value / step - round(value / step)) < 1e-9 if step else False


def _equal(a: Any, b: Any) -> bool:
    """As JSON compares: 1 is 1.0, and true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    return bool(a == b)
