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
"""Terminals say F13 for Shift+F1, and so on."""


def shown(key: str) -> str:
    """`ctrl+n` as `Ctrl+N`, `escape` as `Esc`, a letter as it is."""
    parts = key.strip().split("+")
    return "+".join(_NAMES.get(p) or (p if len(parts) == 1 and len(p) == 1 else p.capitalize()) for p in parts)


def short(key: str) -> str:
    """The same for the footer: `^N` in place of `Ctrl+N`."""
    return shown(key).replace("Ctrl+", "^")
