"""What the message box can complete: slash commands at its start, files after an @."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edgellm_tui.commands import Command, slash_commands
from edgellm_tui.widgets.completions import Choice

_FILE = re.compile(r"(?:^|\s)@([^\s@]*)$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is being typed, and how much of the text it takes."""

    kind: Literal["slash", "file"]
    typed: str


def wanted(text: str, before_cursor: str) -> Wanted | None:
    """What the menu should offer for this text, with the cursor after `before_cursor`."""
    if text.startswith("/") and "\n" not in text and " " not in text:
        return Wanted("slash", text[1:])
    if match := _FILE.search(before_cursor):
        return Wanted("file", match.group(1))
    return None


def slash_choices(typed: str) -> list[Choice]:
    """Slash commands that begin with, or else contain, what was typed."""
    known = slash_commands()
    begins = [name for name in known if name.startswith(typed)]
    contains = [name for name in known if typed in name and name not in begins]
    return [Choice(name, f"/{name} {known[name].argument}".strip(), known[name].title) for name in begins + contains]


def parse_slash(text: str) -> tuple[Command, str] | None:
    """The command and its argument, when the text is a slash command."""
    if not text.startswith("/") or text.startswith("//"):
        return None
    name, _, argument = text[1:].partition(" ")
    found = slash_commands().get(name.strip().lower())
    return (found, argument.strip()) if found else None
