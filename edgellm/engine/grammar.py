"""The gate in front of constrained output: which JSON schemas are accepted, and how large.

A schema is data from strangers. Everything it may contain is listed here; anything else is refused by name, so that an
accepted schema is enforced completely. Compiling is `edgellm.engine.llama.constraint`'s work.

Keywords: JSON Schema 2020-12 (https://json-schema.org/draft/2020-12), as far as llguidance 1.9 enforces them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from edgellm.errors import InvalidSchema
from edgellm.types import Constraint

MAX_SCHEMA_BYTES = 64 * 1024
MAX_DEPTH = 32
MAX_COUNT = 1_000
"""Largest maxLength, minLength, maxItems, minItems, minProperties, maxProperties."""
MAX_ENUM = 500
MAX_PROPERTIES = 200
"""Properties of one object; llguidance gives up at some 250 optional ones."""
MAX_BRANCHES = 64
"""Schemas in one anyOf, oneOf, allOf or prefixItems."""
MAX_PATTERN_CHARACTERS = 512
MAX_SUBSCHEMAS = 2_000
MAX_REACH = 256
"""Levels of the schema and of every definition it refers to, added up. llguidance follows references by recursion: a
chain of 1,000 definitions overflows an 8 MiB stack and ends the process."""
MAX_GRAMMAR_BYTES = 64 * 1024
MAX_GRAMMAR_RULES = 500
"""Rules of a raw grammar; a chain of 3,000 overflows the stack in the same way."""

ANY_OBJECT = '{"type": "object"}'
"""What the kind `json_object` asks for."""

TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
FORMATS = frozenset({
    "date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri",
})  # fmt: skip
ANNOTATIONS = frozenset({
    "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$schema",
})  # fmt: skip
COUNTS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions"})
LISTED_SCHEMAS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
SINGLE_SCHEMAS = frozenset({"items", "additionalProperties", "additionalItems"})


@dataclass(frozen=True, slots=True)
class Place:
    """A schema inside the schema."""

    pointer: str
    """JSON pointer, empty for the whole schema."""
    depth: int

    def below(self, *steps: str) -> Place:
        """The place reached by `steps`, escaped as RFC 6901 says."""
        path = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
        return Place(self.pointer + path, self.depth + 1)


def check_constraint(constraint: Constraint, *, trusted: bool = False) -> None:
    """Raises: InvalidSchema when a constraint must not reach the compiler; facts: `pointer`, `keyword`.

    Raw grammars can describe languages that are expensive to enforce, so only a `trusted` caller's are let in.
    """
    if constraint.kind == "json_object":
        return
    if constraint.kind == "json_schema":
        check_schema(constraint.text)
    elif constraint.kind != "grammar":
        raise InvalidSchema(f"The constraint kind {constraint.kind!r} is unknown.", field="constraint")
    elif not trusted:
        raise InvalidSchema(
            "Raw grammars are for trusted callers only.", hint="Send a JSON schema.", field="constraint"
        )
    else:
        _check_grammar(constraint.text)


def _check_grammar(text: str) -> None:
    if len(text.encode("utf-8", "replace")) > MAX_GRAMMAR_BYTES:
        raise InvalidSchema(f"The grammar is larger than {MAX_GRAMMAR_BYTES} bytes.", field="constraint")
    if text.count(":") > MAX_GRAMMAR_RULES:  # every rule has one
        raise InvalidSchema(f"The grammar has more than {MAX_GRAMMAR_RULES} rules (colons).", field="constraint")


def check_schema(text: str) -> None:
    """Raises: InvalidSchema for text that is no JSON schema, or one that asks for too much or the unsupported."""
    if len(text.encode("utf-8", "replace")) > MAX_SCHEMA_BYTES:
        raise InvalidSchema(
            f"The schema has {len(text)} characters; the limit is {MAX_SCHEMA_BYTES} bytes.", field="constraint"
        )
    root = _parse(text)
    if not isinstance(root, dict):
        raise InvalidSchema(f"A schema is a JSON object; this is {_kind(root)}.", field="constraint", pointer="")
    depths: dict[str, int] = {}
    references: dict[str, Place] = {}
    pending: list[tuple[Place, Any]] = [(Place("", 0), root)]
    while pending:
        place, schema = pending.pop()
        if len(depths) == MAX_SUBSCHEMAS:
            _refuse(place, "", f"is one of more than {MAX_SUBSCHEMAS} schemas")
        pending.extend(_subschemas(place, schema))
        depths[place.pointer] = place.depth
        if isinstance(schema, dict) and "$ref" in schema:
            references[schema["$ref"].removeprefix("#")] = place
    _check_references(depths, references)


def _check_references(depths: Mapping[str, int], references: Mapping[str, Place]) -> None:
    """References must lead to places that were checked as schemas, and not too deep.

    depths: JSON pointer of every schema to its depth. references: pointer referred to, and one place that does.
    """
    total = max(depths.values())
    for target, place in references.items():
        if target not in depths:
            _refuse(place, "$ref", f"leads to {_quote('#' + target)}, where there is no schema")
        inside = (depth for pointer, depth in depths.items() if pointer == target or pointer.startswith(target + "/"))
        total += max(inside) - depths[target] + 1
        if total > MAX_REACH:
            _refuse(place, "$ref", f"leads to more than {MAX_REACH} levels, all referenced definitions together")


def _parse(text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InvalidSchema(
                f"The schema has the key {twice!r} twice in one object.", field="constraint", keyword=twice
            )
        return found

    def not_json(name: str) -> NoReturn:
        raise InvalidSchema(f"The schema contains {name}, which is not JSON.", field="constraint", keyword=name)

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=not_json)
    except RecursionError as error:
        raise InvalidSchema(f"The schema is nested deeper than {MAX_DEPTH} levels.", field="constraint") from error
    except ValueError as error:  # JSONDecodeError, or a number with thousands of digits
        raise InvalidSchema(f"The schema is not valid JSON: {error}", field="constraint") from error


def _subschemas(place: Place, schema: Any) -> Iterator[tuple[Place, Any]]:
    """Check one schema's keywords; yields the schemas inside it."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        _refuse(place, "", f"is {_kind(schema)}; a schema is an object, true or false")
    if place.depth > MAX_DEPTH:
        _refuse(place, "", f"is nested deeper than {MAX_DEPTH} levels")
    for keyword, value in schema.items():
        if keyword in NAMED_SCHEMAS:
            yield from _named(place, keyword, value)
        elif keyword in LISTED_SCHEMAS:
            yield from _listed(place, keyword, value)
        elif keyword in SINGLE_SCHEMAS:
            yield from _single(place, keyword, value)
        elif keyword in CHECKS:
            problem = CHECKS[keyword](value)
            if problem:
                _refuse(place, keyword, problem)
        elif keyword not in ANNOTATIONS and not (keyword == "$id" and place.depth == 0):
            _refuse(place, keyword, "is not supported")  # an inner $id would give references another meaning


def _named(place: Place, keyword: str, value: Any) -> Iterator[tuple[Place, Any]]:
    if not isinstance(value, dict):
        _refuse(place, keyword, f"is {_kind(value)}; it must be an object of schemas")
    if len(value) > MAX_PROPERTIES:
        _refuse(place, keyword, f"has {len(value)} entries; the limit is {MAX_PROPERTIES}")
    for name, inner in value.items():
        if keyword == "patternProperties" and (problem := _pattern(name)):
            _refuse(place, keyword, problem)
        yield place.below(keyword, name), inner


def _listed(place: Place, keyword: str, value: Any) -> Iterator[tuple[Place, Any]]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_BRANCHES:
        _refuse(place, keyword, f"must be a list of 1 to {MAX_BRANCHES} schemas")
    for index, inner in enumerate(value):
        yield place.below(keyword, str(index)), inner


def _single(place: Place, keyword: str, value: Any) -> Iterator[tuple[Place, Any]]:
    if keyword == "items" and isinstance(value, list):  # before draft 2020-12, what is now prefixItems
        yield from _listed(place, keyword, value)
    else:
        yield place.below(keyword), value


def _count(value: Any) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return (
        ""
        if whole and 0 <= value <= MAX_COUNT
        else f"is {_quote(value)}; it must be a whole number from 0 to {MAX_COUNT}"
    )


def _bound(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "" if number and math.isfinite(value) else f"is {_quote(value)}; it must be a finite number"


def _type(value: Any) -> str:
    names = value if isinstance(value, list) else [value]
    wrong = [name for name in names if not isinstance(name, str) or name not in TYPES]
    return (
        f"is {_quote(wrong[0] if wrong else value)}; it must be one of {', '.join(sorted(TYPES))}"
        if wrong or not names
        else ""
    )


def _enum(value: Any) -> str:
    fits = isinstance(value, list) and 0 < len(value) <= MAX_ENUM
    return "" if fits else f"must be a list of 1 to {MAX_ENUM} values"


def _constant(value: Any) -> str:  # noqa: ARG001  # any JSON value will do
    return ""


def _required(value: Any) -> str:
    names = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return "" if names and len(value) <= MAX_PROPERTIES else f"must be a list of at most {MAX_PROPERTIES} names"


def _pattern(value: Any) -> str:
    fits = isinstance(value, str) and len(value) <= MAX_PATTERN_CHARACTERS
    return "" if fits else f"must be a regular expression of at most {MAX_PATTERN_CHARACTERS} characters"


def _format(value: Any) -> str:
    return (
        ""
        if isinstance(value, str) and value in FORMATS
        else f"{_quote(value)} is not one of {', '.join(sorted(FORMATS))}"
    )


def _reference(value: Any) -> str:
    local = isinstance(value, str) and (value == "#" or value.startswith("#/"))
    return "" if local else f"is {_quote(value)}; only references inside the schema (#/...) are followed"


CHECKS: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(COUNTS, _count),
    **dict.fromkeys(BOUNDS, _bound),
    "type": _type,
    "enum": _enum,
    "const": _constant,
    "required": _required,
    "pattern": _pattern,
    "format": _format,
    "$ref": _reference,
}
"""Keyword to a function that says what is wrong with its value; an empty text says nothing is."""


def _refuse(place: Place, keyword: str, problem: str) -> NoReturn:
    where = f"At {place.pointer or 'the top'}: " if place.pointer or keyword else ""
    subject = f'"{keyword}" ' if keyword else "the schema "
    raise InvalidSchema(
        f"{where}{subject}{problem}."[:600], field="constraint", pointer=place.pointer[:200], keyword=keyword[:100]
    )


def _quote(value: Any) -> str:
    return repr(value)[:60]


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null", dict: "an object"}
    return names.get(type(value), "a number")
