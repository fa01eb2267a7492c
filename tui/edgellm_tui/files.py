"""Text files for the prompt: finding them by name and reading them safely."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edgellm.errors import InvalidInput
from edgellm.safetext import clean, clean_line

LARGEST_BYTES = 64 * 1024
"""A larger file would fill most contexts; documents are for retrieval."""
MOST_SEEN = 5_000
"""Directory entries looked at in one search."""
DEEPEST = 6
_SKIPPED = {"node_modules", "__pycache__", "venv", "build", "dist"}


def matching_files(typed: str, limit: int = 50) -> list[str]:
    """Paths below the current folder whose name contains what was typed, best first. Links are not followed."""
    wanted = typed.lower()
    scored: list[tuple[int, int, str]] = []
    for path in _walk(".", 0, [MOST_SEEN]):
        found = path.removeprefix(f".{os.sep}")
        position = found.lower().find(wanted)
        if position >= 0:
            starts = os.path.basename(found).lower().startswith(wanted)
            scored.append((0 if starts else 1, len(found), found))
    return [found for _, _, found in sorted(scored)[:limit]]


def _walk(folder: str, depth: int, budget: list[int]) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return  # an unreadable folder has nothing to offer
    deeper: list[str] = []
    for entry in entries:
        budget[0] -= 1
        if budget[0] < 0:
            return
        if entry.name.startswith(".") or entry.name in _SKIPPED or entry.is_symlink():
            continue
        if entry.is_dir(follow_symlinks=False):
            deeper.append(entry.path)
        elif entry.is_file(follow_symlinks=False):
            yield entry.path
    if depth < DEEPEST:
        for path in deeper:
            yield from _walk(path, depth + 1, budget)


def read_text_file(path: str) -> str:
    """The file's text, cleaned. Raises: InvalidInput when it is missing, too large, or not UTF-8 text."""
    name = clean_line(path)
    try:
        text = _read(Path(path), name).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name!r} is not UTF-8 text (byte {error.start}).", field="file") from error
    except OSError as error:
        raise InvalidInput(f"{name!r} cannot be read: {error.strerror}.", field="file") from error
    if "\0" in text:
        raise InvalidInput(f"{name!r} is a binary file.", hint="Only text can be inserted.", field="file")
    return clean(text)


def _read(path: Path, name: str) -> bytes:
    if not path.is_file():
        raise InvalidInput(f"There is no file {name!r}.", hint="Type @ and a part of its name.", field="file")
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise InvalidInput(
            f"{name!r} has {size:,} bytes; at most {LARGEST_BYTES:,} fit into a prompt.",
            hint="Insert a part of it.",
            field="file",
        )
    return path.read_bytes()


def as_prompt(name: str, text: str) -> str:
    """A file as it stands in a prompt: fenced, with its name."""
    name, fence = clean_line(name), "```"
    while fence in text:
        fence += "`"
    language = Path(name).suffix.lstrip(".")
    return f"{name}:\n{fence}{language}\n{text.rstrip()}\n{fence}\n"
