"""Keys as they are printed on a keyboard."""

from __future__ import annotations

_NAMES = {
    "plus": "+",
    "minus": "-",
    "slash": "/",
    "equals_sign": "=",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "escape": "Esc",
    "delete": "Del",
    **{f"f{number + 12}": f"Shift+F{number}" for number in range(1, 13)},
}
"""Where there is no F13 it is Shift+F1, and so on."""
_TWINS = {f"f{number + 12}": f"shift+f{number}" for number in range(1, 13)}
_TWINS |= {twin: key for key, twin in _TWINS.items()}


def as_sent(keys: str) -> str:
    """Keys, with commas between them, and the other name that a terminal may have for each: F16 is Shift+F4 to most."""
    names = keys.split(",")
    return ",".join(dict.fromkeys([*names, *(_TWINS[name] for name in names if name in _TWINS)]))


def shown(key: str) -> str:
    """`ctrl+n` as `Ctrl+N`, `escape` as `Esc`, a letter as it is."""
    parts = key.strip().split("+")
    return "+".join(_NAMES.get(p) or (p if len(parts) == 1 and len(p) == 1 else p.capitalize()) for p in parts)


def short(key: str) -> str:
    """The same for the footer: `^N` in place of `Ctrl+N`."""
    return shown(key).replace("Ctrl+", "^")
