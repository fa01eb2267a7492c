"""What the message box can complete: slash commands at its start, files after an @."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from edgellm.errors import NotFound
from edgellm_tui.commands import Command, slash_commands
from edgellm_tui.widgets.completions import Choice

_SLASH = re.compile(r"/([\w?-]*)(?=\s|$)")
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
    """The command and its argument, when the text is a slash command; None when it is a message.

    A message that begins with such a word is told from a command by a space before it. Paths are no commands.
    Raises: NotFound for an unknown command, suggesting the nearest one.
    """
    match = _SLASH.match(text)
    if match is None:
        return None
    found = slash_commands().get(match[1].lower())
    if found is None:
        raise _unknown(match[1])
    return found, text[match.end() :].strip()


def message_of(text: str) -> str:
    """What is sent to the model: without the space that says that a message is no command."""
    return text.removeprefix(" ") if text.startswith(" /") else text


def _unknown(name: str) -> NotFound:
    near = get_close_matches(name.lower(), slash_commands(), n=1)
    meant = f"Did you mean /{near[0]}? " if near else ""
    return NotFound(
        f"There is no command '/{name}'.", hint=f"{meant}With a space before the / it is sent as a message."
    )
