"""What settings may name of the app: its themes, the actions that keys can be given to, and the keys.

The app holds what is behind the names; a test compares the two. They stand here so that a setting can be checked where
the app's library is not loaded.
"""

from __future__ import annotations

import unicodedata

_THEMES = """
auto edge-dark edge-light ansi-dark ansi-light atom-one-dark atom-one-light catppuccin-frappe catppuccin-latte
catppuccin-macchiato catppuccin-mocha dracula flexoki gruvbox monokai nord rose-pine rose-pine-dawn rose-pine-moon
solarized-dark solarized-light textual-dark textual-light tokyo-night
"""
THEMES = _THEMES.split()

_BY_SCOPE = {
    "app": "help palette interrupt quit",
    "page": "chat sessions models train data documents server monitor evaluate queue improve",
    "chat": "new sources stop model system sampling regenerate reasoning rate_up rate_down correct explain copy",
    "prompt": "send newline edit_last leave end",
    "message": "previous next sources copy code edit regenerate rate_up rate_down correct branch_left "
    "branch_right reasoning explain back",
    "sessions": "open rename export_markdown export_json delete leave",
    "models": "use fetch unload remove attach export exported leave",
    "train": "compare new stop resume leave",
    "compare": "ask up down leave",
    "data": "rows add draft review delete leave",
    "documents": "open add sync remove verify reindex leave",
    "server": "start_stop new_key revoke verify copy details previous next leave",
    "queue": "accept edit reject undo merge filter read leave",
    "passage": "leave",
    "review": "accept edit reject undo leave",
    "report": "build add columns personal measure leave",
    "rows": "previous next filter page_before page_after read leave",
    "explain": "previous next first last least_sure leave",
    "monitor": "period who renew write details previous next leave",
    "evaluate": "open new blind stop resume previous next leave",
    "evaluation": "previous next case_before case_after blind report export leave",
    "blind": "left right tie bad note undo leave",
    "improve": "evidence new promote roll_back report stop resume previous next leave",
}
ACTIONS = [f"{scope}.{name}" for scope, names in _BY_SCOPE.items() for name in names.split()]

MODIFIERS = frozenset({"ctrl", "shift", "alt", "super", "meta", "hyper"})
_KEYS = """
backspace delete down end enter escape home insert left pagedown pageup return right space tab up
slash backslash at minus plus underscore
"""
KEYS = frozenset({*_KEYS.split(), *(f"f{number}" for number in range(1, 25))})
"""Keys that are called otherwise than their character."""


def is_key(text: str) -> bool:
    """Whether `text` is a key as the app writes it: `x`, `f5`, `ctrl+n`, `shift+pageup`, `equals_sign`."""
    *modifiers, key = text.split("+") if text != "+" else ["plus"]
    return MODIFIERS.issuperset(modifiers) and (len(key) == 1 or key in KEYS or _is_character(key))


def _is_character(name: str) -> bool:
    """Whether it is a character's Unicode name, in small letters and with `_` for spaces."""
    try:
        unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return False
    return name.islower()
