"""JSON in and out: what a body may hold, and answers that are always valid."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

from edgellm.errors import InvalidInput

MAX_DEPTH = 64
"""Objects and lists within each other."""
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""One without an end goes to the body's own, and is read once: it is no JSON, as the parser will say."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def read_json(raw: bytes) -> Any:
    """The value of a body, by RFC 8259 and no more generous.

    Raises: InvalidInput for text that is not UTF-8, a byte order mark, a name that occurs twice in an object, NaN and
    infinity, numbers that no double holds, half a surrogate pair, and nesting beyond `MAX_DEPTH`.
    """
    _check_depth(raw)
    try:
        value = json.loads(
            raw.decode(), object_pairs_hook=_object, parse_constant=_constant, parse_float=_number, parse_int=_whole
        )
        if _SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeError:
        raise _invalid("it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise _invalid(f"{error.msg}, line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _invalid(f"it nests deeper than {MAX_DEPTH} levels") from None
    return value


def json_bytes(value: Any) -> bytes:
    """A value as JSON in UTF-8; half a surrogate pair becomes its escape, which is valid JSON."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def _check_depth(raw: bytes) -> None:
    """Take the innermost brackets away, level by level: no loop over characters, no recursion."""
    left = _STRINGS.sub(b"", raw).translate(_BRACKETS, delete=_NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not left:
            return
        left = left.replace(b"[]", b"")
    if left.count(b"[") > MAX_DEPTH or b"[]" in left:
        raise _invalid(f"it nests deeper than {MAX_DEPTH} levels")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _invalid(f"the name {twice[:40]!r} occurs twice in one object")
    return made


def _constant(name: str) -> NoReturn:
    raise _invalid(f"{name} is no number in JSON")


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _invalid(f"the number {text[:40]} is too large")
    return value


MAX_DIGITS = 20
"""Of a whole number: more than 64 bits hold is no count, seed or id."""


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _invalid(f"the number {text[:40]} is too large")
    return int(text)


def _invalid(reason: str) -> InvalidInput:
    return InvalidInput(f"The body is not the JSON that is wanted: {reason}.", field="body", code="invalid_json")
