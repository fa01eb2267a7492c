"""Changes one value in a TOML text and leaves every other byte as its author wrote it."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

_STATEMENT = re.compile(r"""^\s*(?P<key>(?![\s#=\[])(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^"'=])+?)\s*=""")


class CannotEdit(ValueError):
    """The text writes the key in a form that cannot be changed line by line."""


def with_value(text: str, key: tuple[str, ...], value: Any) -> str:
    """`text` with the value of `key` set; None removes the key. `text` must be valid TOML.

    Every candidate edit is parsed again and taken only when the whole tree is exactly the old one with this one
    change, so strings that look like tables or keys cannot lead it astray.
    Raises: CannotEdit when no edit of single lines does it (an inline table holds the key, for example).
    """
    wanted = copy.deepcopy(tomllib.loads(text))
    _assign(wanted, key, value)
    if text and not text.endswith("\n"):
        text += "\n"
    lines = [f"{line}\n" for line in text.split("\n")[:-1]]  # TOML knows no other line ends, str.splitlines does
    for candidate in _candidates(lines, key, value):
        if _parses_to(candidate, wanted):
            return candidate
    raise CannotEdit(_statement(".".join(map(_key, key)), value) if value is not None else f"remove {'.'.join(key)}")


def _assign(tree: dict[str, Any], key: tuple[str, ...], value: Any) -> None:
    for name in key[:-1]:
        tree = tree.setdefault(name, {})
    if value is None:
        tree.pop(key[-1], None)
    else:
        tree[key[-1]] = value


def _parses_to(text: str, wanted: dict[str, Any]) -> bool:
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return _pruned(found) == _pruned(wanted)


def _pruned(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Without empty tables: whether one is written out makes no difference."""
    inner = {
        name: _pruned(value) if isinstance(value, Mapping) else (type(value), value) for name, value in tree.items()
    }
    return {name: value for name, value in inner.items() if value != {}}


def _candidates(lines: list[str], key: tuple[str, ...], value: Any) -> Iterator[str]:
    """Texts that may have the wanted meaning: nothing to do, the statement replaced, inserted, a table added."""
    yield "".join(lines)
    for start, line in enumerate(lines):
        match = _STATEMENT.match(line)
        if match and _last_part(match["key"]) == key[-1]:
            for end in range(start + 1, len(lines) + 1):
                new = [] if value is None else [_statement(match["key"], value)]
                yield "".join([*lines[:start], *new, *lines[end:]])
    if value is None:
        return
    new = [_statement(_key(key[-1]), value)]
    if len(key) == 1:
        yield "".join([*new, *lines])
        return
    for start, line in enumerate(lines):
        if line.lstrip().startswith("["):
            yield "".join([*lines[: start + 1], *new, *lines[start + 1 :]])
    gap = ["\n"] if lines else []
    yield "".join([*lines, *gap, f"[{'.'.join(map(_key, key[:-1]))}]\n", *new])


def _last_part(written: str) -> str | None:
    """The last name of a key as it is written, quotes resolved."""
    try:
        tree: Any = tomllib.loads(f"{written} = 0")
    except tomllib.TOMLDecodeError:
        return None  # not a statement: part of a longer text
    name = None
    while isinstance(tree, dict):
        ((name, tree),) = tree.items()
    return name


def _statement(key: str, value: Any) -> str:
    return f"{key} = {_toml(value)}\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(value: str) -> str:
    """A basic string: JSON's escapes are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case int() | float():
            return repr(value)
        case list() | tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case Mapping():
            return "{" + ", ".join(f"{_key(str(name))} = {_toml(inner)}" for name, inner in value.items()) + "}"
    raise TypeError(f"TOML has no form for {value!r} of type {type(value).__name__}.")
