"""Names of text styles, and what each looks like in the current theme."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.style import Style

ROLES: Mapping[str, str] = {
    "text": "$foreground",
    "dim": "$foreground 55%",
    "faint": "$foreground 30%",
    "accent": "$primary",
    "strong": "bold",
    "em": "italic",
    "strike": "strike",
    "code": "$text-accent on $surface",
    "link": "underline $text-primary",
    "heading": "bold $text-primary",
    "heading-1": "bold underline $text-primary",
    "marker": "bold $primary",
    "quote": "italic $foreground 80%",
    "rule": "$foreground 30%",
    "table-head": "bold",
    "code-block": "$foreground on $surface",
    "code-label": "$foreground 50% on $surface",
    "user-bar": "$primary",
    "user-text": "$foreground",
    "name": "bold $text-secondary",
    "cursor": "bold $accent",
    "notice": "$text-warning",
    "error": "$text-error",
    "good": "$text-success",
    "reasoning": "italic $foreground 60%",
    "match": "bold $text-accent underline",
    "unsupported": "italic $foreground 70%",
    "bar-done": "$primary",
    "bar-left": "$foreground 20%",
}
"""Role to a Textual style; every colour comes from the theme."""


def resolver(variables: Mapping[str, str]) -> Callable[[str | Style], Style]:
    """A function from a role (or any Textual style text) to a style, remembered per name."""
    known: dict[str, Style] = {}

    def resolve(style: str | Style) -> Style:
        if isinstance(style, Style):
            return style
        if (found := known.get(style)) is None:
            found = known[style] = Style.parse(ROLES.get(style, style), dict(variables))
        return found

    return resolve
