"""What is kept on this machine and cannot be read: one such folder hides none of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgellm.errors import EdgeLLMError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Damaged:
    """A folder whose manifest cannot be read."""

    name: str
    """Of the folder."""
    reason: str


def folders_with(parent: Path, manifest: str) -> list[Path]:
    """The folders below `parent` that hold a file of this name, in order; without those that somebody works in."""
    return sorted(path.parent for path in parent.glob(f"*/{manifest}") if not path.parent.name.startswith("."))


def readable(folders: Iterable[Path], read: Callable[[Path], T]) -> list[T]:
    """What is in the folders that can be read; `damaged` names the others."""
    return [found for folder in folders if not isinstance(found := _read(folder, read), Damaged)]


def damaged(folders: Iterable[Path], read: Callable[[Path], object]) -> list[Damaged]:
    """The folders that cannot be read, with the reason of each."""
    return [found for folder in folders if isinstance(found := _read(folder, read), Damaged)]


def _read(folder: Path, read: Callable[[Path], T]) -> T | Damaged:
    try:
        return read(folder)
    except EdgeLLMError as error:
        return Damaged(folder.name, error.message)
