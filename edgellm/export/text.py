"""The text that calibrates and verifies: the user's file, rows of an adapter's dataset, or our own words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgellm.errors import InvalidInput

GENERAL = Path(__file__).with_name("general_text.txt")
"""Prose, dialogue, lists, numbers and code, written for EdgeLLM."""
ENOUGH_CHARACTERS = 12_000
"""Examples with less text than this are filled up with the general text."""
MOST_CHARACTERS = 100_000
ENOUGH_HELD_OUT = 4_000
"""Characters that verification reads at most, rather too many."""
_EVERY = 4
"""Every fourth paragraph of the general text verifies, where the others calibrate."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text and where it comes from, in the words of the manifest."""

    source: str
    content: str
    held_out_source: str
    """What is verified on, in words."""
    held_out: str = ""
    """The text that verifies; empty takes parts of `content` for that, which calibrate nothing then."""


def general() -> Text:
    """Our own words."""
    name = "EdgeLLM's general text"
    return Text(name, GENERAL.read_text(encoding="utf-8"), f"parts of {name}")


def from_file(path: Path, *, has_adapter: bool = False) -> Text:
    """The user's own, of which nobody here knows whether an adapter was trained on it. Raises: InvalidInput."""
    unknown = "; whether the adapter was trained on it is not known" if has_adapter else ""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return Text(str(path), file.read(MOST_CHARACTERS), f"parts of {path}{unknown}")
    except OSError as error:
        message = f"{str(path)!r} cannot be read: {error.strerror}."
        raise InvalidInput(message, hint="Name a file of plain text.", field="text") from error


def from_examples(name: str, learnt: Iterable[str], held_out: Mapping[str, Iterable[str]]) -> Text:
    """What an adapter learnt calibrates, and what it did not learn verifies.

    name: of the dataset. learnt: the texts of rows that were trained on. held_out: those of rows that were not, by
    split, the one to be read first in front. Where either is short, the general text fills it up, no paragraph in both.
    """
    calibrating, verifying = _general_parts()
    own = general().source
    content, source = _joined(learnt, MOST_CHARACTERS), f"dataset {name}"
    if len(content) < ENOUGH_CHARACTERS:
        content, source = content + calibrating, f"{source}, then {own}"
    kept, used = "", list[str]()
    for split, examples in held_out.items():
        if found := _joined(examples, ENOUGH_HELD_OUT - len(kept)):
            kept, used = kept + found, [*used, split]
    said = [f"rows of the dataset {name} that were held out from training ({', '.join(used)})"] if used else []
    if len(kept) < ENOUGH_HELD_OUT:
        kept, said = kept + verifying, [*said, f"parts of {own}"]
    return Text(source, content, ", then ".join(said), kept)


def _joined(examples: Iterable[str], most: int) -> str:
    """Examples one below the other, until there are as many characters; none where none is wanted."""
    content = ""
    for example in examples if most > 0 else ():
        content += example + "\n\n"
        if len(content) >= most:
            break
    return content


def _general_parts() -> tuple[str, str]:
    """The general text in two: what calibrates, what verifies."""
    paragraphs = general().content.split("\n\n")
    verifying = paragraphs[_EVERY - 1 :: _EVERY]
    calibrating = [each for number, each in enumerate(paragraphs, 1) if number % _EVERY]
    return "\n\n".join(calibrating), "\n\n".join(verifying)
