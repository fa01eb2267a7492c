"""Changes one value in a TOML text and leaves every other byte as its author wrote it."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

_STATEMENT = re.compile(r"""^\s*(?P<key>(?![\s#=\[])(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^"'=])+)=""")


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
        found = _tree(candidate)
        if found is not None and _pruned(found) == _pruned(wanted):
            return candidate
    raise CannotEdit(_statement(".".join(map(_key, key)), value) if value is not None else f"remove {'.'.join(key)}")


def _assign(tree: dict[str, Any], key: tuple[str, ...], value: Any) -> None:
    for name in key[:-1]:
        tree = tree.setdefault(name, {})
    if value is None:
        tree.pop(key[-1], None)
    else:
        tree[key[-1]] = value


def _tree(text: str) -> dict[str, Any] | None:
    """What a text stands for; None when it is no TOML, or only part of a statement."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _pruned(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Without empty tables: whether one is written out makes no difference."""
    inner = {
        name: _pruned(value) if isinstance(value, Mapping) else (type(value), value) for name, value in tree.items()
    }
    return {name: value for name, value in inner.items() if value != {}}


def _candidates(lines: list[str], key: tuple[str, ...], value: Any) -> Iterator[str]:
    """Texts that may have the wanted meaning: nothing to do, the statement replaced, inserted, a table added."""
    newline = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    yield "".join(lines)
    for start, line in enumerate(lines):
        match = _STATEMENT.match(line)
        if match and _last_part(match["key"]) == key[-1]:
            new = [] if value is None else [_statement(match["key"].rstrip(), value) + newline]
            ends = range(start + 1, len(lines) + 1)
            end = next((end for end in ends if _tree("".join(lines[start:end])) is not None), len(lines))
            yield "".join([*lines[:start], *new, *lines[end:]])
    if value is None:
        return
    new = [_statement(_key(key[-1]), value) + newline]
    if len(key) == 1:
        yield "".join([*new, *lines])
        return
    for start, line in enumerate(lines):
        if line.lstrip().startswith("["):
            yield "".join([*lines[: start + 1], *new, *lines[start + 1 :]])
    gap = [newline] if lines else []
    yield "".join([*lines, *gap, f"[{'.'.join(map(_key, key[:-1]))}]{newline}", *new])


def _last_part(written: str) -> str | None:
    """The last name of a key as it is written, quotes resolved; None when it is part of a longer text."""
    tree: Any = _tree(f"{written} = 0")
    name = None
    while isinstance(tree, dict):
        ((name, tree),) = tree.items()
    return name


def _statement(key: str, value: Any) -> str:
    return f"{key} = {_toml(value)}"


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
