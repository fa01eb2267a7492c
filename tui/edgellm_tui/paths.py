"""Where examples, documents and adapters may lie: paths that continue what was typed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from edgellm.data.detect import ENDINGS
from edgellm.safetext import clean_line
from edgellm_tui.files import matching_files

MOST_OFFERED = 50
MOST_SEEN = 5_000
"""Entries of a folder looked at."""
TEXTS = (".txt", ".md", ".markdown")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A file, or a folder on the way to one."""

    path: str
    """As it would be typed; a folder ends with a separator."""
    note: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether taking it shows what is in it."""
        return self.path.endswith(os.sep)


def suggestions(typed: str) -> list[Suggestion]:
    """What lies in the folder that was typed and goes on as typed; for a bare name also files further below."""
    folder, name = os.path.split(typed + os.sep if typed == "~" else typed)
    found = [*_whole_folder(folder, name), *_entries(folder, name, _is_offered)]
    if _is_file(typed) and not _is_offered(typed):
        found.insert(0, Suggestion(typed))  # whatever its name: the report says what it is
    if name and not folder:
        listed = {each.path for each in found}
        deeper = (path for path in matching_files(name) if _is_offered(path) and path not in listed)
        found += [Suggestion(path) for path in deeper]
    return found[:MOST_OFFERED]


def documents(typed: str) -> list[Suggestion]:
    """Files of any kind and folders in the folder that was typed, that go on as typed."""
    return _below(typed, lambda entry: clean_line(entry) == entry)


def adapters(typed: str) -> list[Suggestion]:
    """GGUF files and folders in the folder that was typed, that go on as typed."""
    return _below(typed, lambda entry: entry.lower().endswith(".gguf") and clean_line(entry) == entry)


def _below(typed: str, is_offered: Callable[[str], bool]) -> list[Suggestion]:
    folder, name = os.path.split(typed + os.sep if typed == "~" else typed)
    return _entries(folder, name, is_offered)[:MOST_OFFERED]


def _is_offered(path: str) -> bool:
    """Whether the name ends like that of a file of examples, and is what it looks like."""
    return os.path.splitext(path)[1].lower() in ENDINGS and clean_line(path) == path


def _is_file(path: str) -> bool:
    try:
        return clean_line(path) == path and os.path.isfile(os.path.expanduser(path))
    except ValueError:  # NUL in the path
        return False


def _whole_folder(folder: str, name: str) -> list[Suggestion]:
    """The folder itself, when it was typed to its end and holds texts."""
    if not folder or name:
        return []
    texts = sum(entry.lower().endswith(TEXTS) for entry in _names(folder))
    path = folder.rstrip(os.sep) or os.sep
    return [Suggestion(path, f"{texts:,} text{'s' if texts != 1 else ''} as one source")] if texts else []


def _entries(folder: str, name: str, is_offered: Callable[[str], bool]) -> list[Suggestion]:
    wanted = name.lower()
    folders: list[Suggestion] = []
    files: list[Suggestion] = []
    for entry in _names(folder):
        if not entry.lower().startswith(wanted) or (entry.startswith(".") and not name.startswith(".")):
            continue
        path = os.path.join(folder, entry)
        if os.path.isdir(os.path.expanduser(path)) and clean_line(entry) == entry:
            folders.append(Suggestion(path + os.sep))
        elif is_offered(entry):
            files.append(Suggestion(path))
    return files + folders


def _names(folder: str) -> list[str]:
    """What is in a folder, by name; nothing where it cannot be read."""
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            return sorted(entry.name for entry, _ in zip(entries, range(MOST_SEEN), strict=False))
    except (OSError, ValueError):
        return []
