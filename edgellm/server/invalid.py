"""What pydantic found wrong with a body, as one error that names the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgellm.errors import InvalidInput

MOST_CHARACTERS = 60
"""Of a value that a message quotes."""
BEST_FIRST = ("extra_forbidden", "union_tag_invalid", "union_tag_not_found", "literal_error", "missing")
"""Which of several findings at one place says most."""
Finding = Mapping[str, Any]


def invalid(findings: Sequence[Finding], body: Any) -> InvalidInput:
    """The finding that says most: where values may be of several kinds, the one that got furthest into the body.

    `findings`: as `pydantic_core.ValidationError.errors()` gives them, the part of the request first in each place.
    """
    located = [(_place(finding, body), finding) for finding in findings]
    deepest = max(len(place) for place, _ in located)
    place, best = min(
        ((place, finding) for place, finding in located if len(place) == deepest),
        key=lambda found: BEST_FIRST.index(found[1]["type"]) if found[1]["type"] in BEST_FIRST else len(BEST_FIRST),
    )
    field = ".".join(str(part)[:MOST_CHARACTERS] for part in place) or "body"
    message = _message(field, best, [finding for other, finding in located if other == place])
    if best["type"] == "extra_forbidden":  # perhaps the right field under another name
        message += "".join(
            f" The field {'.'.join(map(str, other))!r} is missing."
            for other, finding in located
            if finding["type"] == "missing" and other[:-1] == place[:-1]
        )
    return InvalidInput(message, field=field)


def _place(finding: Finding, body: Any) -> tuple[Any, ...]:
    """The path of a finding through the body: without the names of the kinds that were tried on the way."""
    kind, *parts = finding["loc"]
    if kind != "body":
        return tuple(parts)
    place, value = list[Any](), body
    is_name = finding["type"] in ("missing", "extra_forbidden")
    for number, part in enumerate(parts, 1):
        if isinstance(value, Mapping) and (part in value or (is_name and number == len(parts))):
            place.append(part)
            value = value.get(part)
        elif isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
            place.append(part)
            value = value[part]
    return tuple(place)


def _message(field: str, best: Finding, same: Sequence[Finding]) -> str:
    if best["type"] == "extra_forbidden":
        return f"The field {field!r} is not known here; leave it out."
    if best["type"] == "missing":
        return f"The field {field!r} is missing."
    wanted = _wanted(best, same)
    return f"{field} is {_short(best.get('input'))}; {wanted}."


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


BEGINNING = "Input should be "
OBJECTS = ("model_type", "model_attributes_type", "dict_type")


def _wanted(best: Finding, same: Sequence[Finding]) -> str:
    """`it must be a valid string or a valid list`; other words as they are."""
    if best["type"] == "too_short":
        least = best["ctx"]["min_length"]
        return f"it must have at least {least} item{'s' if least != 1 else ''}"
    messages = [_words(finding) for finding in (best, *same)]
    wanted = [message.removeprefix(BEGINNING) for message in messages if message.startswith(BEGINNING)]
    if not messages[0].startswith(BEGINNING):
        return messages[0][0].lower() + messages[0][1:]
    return f"it must be {' or '.join(dict.fromkeys(wanted))}"


def _words(finding: Finding) -> str:
    return f"{BEGINNING}an object" if finding["type"] in OBJECTS else str(finding["msg"])
