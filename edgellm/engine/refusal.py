"""Why a constraint cannot be enforced, in words of the schema instead of the compiler's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from edgellm.errors import InvalidSchema
from edgellm.types import Constraint

MAX_REASON_CHARACTERS = 400
MOST_READ = 4000
"""Characters of a reason that are looked at; it repeats names and patterns of the schema, however long they are."""
_NO_TEXT = "no text satisfies it: a definition leads to itself, or its parts exclude each other"
_TOO_COMPLEX = "it takes too much work: choose smaller limits or fewer branches"
_STOPS = {
    "NoExtension": _NO_TEXT,
    "NoExtensionBias": _NO_TEXT,
    "ParserTooComplex": _TOO_COMPLEX,
    "LexerTooComplex": _TOO_COMPLEX,
    "schema too large": _TOO_COMPLEX,
    "Unsatisfiable schema: incompatible types": "no value is of all the types it asks for at once",
}
_BOUNDS = re.compile(r"\b(\w+) \(([^()]*)\) is (?:greater than|equal to) (\w+) \(([^()]*)\)")
_REGEX = re.compile(r"regex parse error:\n[^\S\n]*+(.*)\n.*\nerror: (.*)")
_REQUIRED = re.compile(r"required property '(.*)' is unsatisfiable")


def refused(reason: str, constraint: Constraint) -> InvalidSchema:
    """The error for what llguidance says about a constraint; facts: `reason`, and `pointer` where the place is known.

    Its words name no place. The place is found again by what they quote; without one, none is named.
    """
    plain = re.split(r"<state>|<non-verbose/>", reason)[0].strip()[:MOST_READ]
    schema = json.loads(constraint.text) if constraint.kind == "json_schema" else None
    pointer, text = _in_the_schema(plain, schema) if schema is not None else (None, _STOPS.get(plain, plain))
    where = "" if pointer is None else f"at {pointer or 'the top'}, "
    return InvalidSchema(
        f"The constraint cannot be enforced: {where}{text[:MAX_REASON_CHARACTERS]}.",
        field="constraint",
        reason=text[:MAX_REASON_CHARACTERS],
        pointer=pointer,
    )


def _in_the_schema(reason: str, schema: Any) -> tuple[str | None, str]:
    """The place that a reason is about, if it can be found, and the reason in plain words."""
    if found := _BOUNDS.search(reason):
        low, least, high, most = found.groups()
        place = _place(schema, lambda part: (str(part.get(low)), str(part.get(high))) == (least, most))
        return place, f"{low} {least} and {high} {most} leave nothing between them"
    if found := _REGEX.search(reason):
        pattern, why = found.groups()
        place = _place(schema, lambda part: part.get("pattern") == pattern or pattern in _patterns(part))
        return place, f"the pattern {pattern!r} is not understood: {why}"
    if found := _REQUIRED.search(reason):
        name = found.group(1)
        return _place(schema, lambda part: name in _listed(part)), f"no value satisfies the required property {name!r}"
    if "Regex is empty" in reason:
        place = _place(schema, lambda part: "pattern" in part and len(_TEXT_LIMITS & part.keys()) > 1)
        return place, "no text satisfies its pattern, format and lengths together"
    if "oneOf" in reason:
        return _place(
            schema, lambda part: "oneOf" in part
        ), "oneOf cannot be enforced where its schemas overlap; use anyOf"
    return None, _STOPS.get(reason, reason.removeprefix("Unsatisfiable schema: "))


_TEXT_LIMITS = {"pattern", "format", "minLength", "maxLength"}


def _patterns(part: dict[str, Any]) -> Any:
    """Patterns that stand as names."""
    named = part.get("patternProperties")
    return named if isinstance(named, dict) else ()


def _listed(part: dict[str, Any]) -> Any:
    names = part.get("required")
    return names if isinstance(names, list) else ()


def _place(schema: Any, is_it: Callable[[dict[str, Any]], bool]) -> str | None:
    """JSON pointer of an object for which `is_it` holds."""
    return next((pointer for pointer, part in _objects(schema) if is_it(part)), None)


def _objects(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in the schema with its JSON pointer (RFC 6901)."""
    pending = [("", schema)]
    while pending:
        pointer, part = pending.pop()
        if isinstance(part, dict):
            yield pointer, part
            names = (name.replace("~", "~0").replace("/", "~1") for name in part)
            pending.extend(zip((f"{pointer}/{name}" for name in names), part.values(), strict=True))
        elif isinstance(part, list):
            pending.extend((f"{pointer}/{index}", inner) for index, inner in enumerate(part))
