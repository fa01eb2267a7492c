"""The text that calibrates and verifies: the user's file, the examples an adapter was trained on, or our own words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgellm.errors import InvalidInput

GENERAL = Path(__file__).with_name("general_text.txt")
"""Prose, dialogue, lists, numbers and code, written for EdgeLLM."""
ENOUGH_CHARACTERS = 12_000
"""Examples with less text than this are filled up with the general text."""
MOST_CHARACTERS = 100_000


@dataclass(frozen=True, slots=True)
class Text:
    """A text and where it comes from, in the words of the manifest."""

    source: str
    content: str


def general() -> Text:
    """Our own words."""
    return Text("EdgeLLM's general text", GENERAL.read_text(encoding="utf-8"))


def from_file(path: Path) -> Text:
    """The user's own. Raises: InvalidInput."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return Text(str(path), file.read(MOST_CHARACTERS))
    except OSError as error:
        message = f"{str(path)!r} cannot be read: {error.strerror}."
        raise InvalidInput(message, hint="Name a file of plain text.", field="text") from error


def from_examples(name: str, examples: Iterable[str]) -> Text:
    """The texts of a dataset's rows."""
    content = ""
    for example in examples:
        content += example + "\n\n"
        if len(content) >= MOST_CHARACTERS:
            break
    if len(content) >= ENOUGH_CHARACTERS:
        return Text(f"dataset {name}", content)
    own = general()
    return Text(f"dataset {name}, then {own.source}", content + own.content)
