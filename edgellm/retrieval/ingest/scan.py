"""Which files a person means by files and folders, and what has to be done about each."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from edgellm.errors import InvalidInput
from edgellm.retrieval.parse.child import FILE_LIMIT_BYTES
from edgellm.retrieval.values import SourceFile

MOST_FILES = 200_000
LEFT_OUT = frozenset((".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", ".tox", ".mypy_cache"))
"""Folders that hold no documents of a person, whatever else is hidden."""
EARLIEST_S, LATEST_S = -2_208_988_800.0, 253_402_214_400.0
"""1900-01-01 and 9999-12-31: file systems allow any number as a date, calendars do not."""
Digest = Callable[[Path], str]
"""A file's SHA-256 in hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a collection knows of a file."""

    sha256: str
    size: int
    modified: float
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Todo:
    """What a run has to do."""

    read: tuple[SourceFile, ...]
    """New files and changed ones."""
    unchanged: int
    touched: tuple[SourceFile, ...]
    """Files with the same bytes and a new date or new tags; they count as unchanged."""
    gone: tuple[str, ...]
    """Names that the collection knows below the given paths and that are there no more."""
    emptied: tuple[str, ...]
    """Folders of the given paths that hold no file now, and held some."""
    unreadable: tuple[tuple[str, str], ...]
    """Name and reason of what could not be looked at."""


def look(paths: Sequence[Path], known: Mapping[str, Known], digest: Digest, tags: tuple[str, ...] = ()) -> Todo:
    """Compare files and folders with what a collection knows.

    A file of the same size and date is not opened. One that failed before is read again only when it has changed.
    `tags` are given to every file; without any, a file keeps those it has.
    Raises: InvalidInput for a path that neither exists nor is a known file which is gone, and for too many files.
    """
    read, touched, unreadable = list[SourceFile](), list[SourceFile](), list[tuple[str, str]]()
    unchanged, seen = 0, set[str]()
    for name, error in files_of([path for path in paths if not is_gone(os.path.abspath(path), known)]):
        seen.add(name)
        before = known.get(name)
        try:
            if error or not _is_text(name):
                raise error or OSError(0, "its name is not valid text")
            source = _source(name, before, digest, tags)
        except OSError as failure:
            unreadable.append((name, failure.strerror or str(failure)))
            continue
        is_same = before is not None and before.sha256 == source.sha256
        unchanged += is_same
        if not is_same:
            read.append(source)
        elif before != Known(sha256=source.sha256, size=source.size, modified=source.modified, tags=source.tags):
            touched.append(source)
    roots = frozenset(os.path.abspath(path) for path in paths)
    hidden = frozenset(name for name, _ in unreadable)  # what lies in a folder that cannot be read is not gone
    gone = tuple(name for name in known if name not in seen and is_below(name, roots) and not is_below(name, hidden))
    return Todo(
        read=tuple(read),
        unchanged=unchanged,
        touched=tuple(touched),
        gone=gone,
        emptied=tuple(sorted(roots & _above(gone) - _above(seen))),
        unreadable=tuple(unreadable),
    )


def _source(name: str, before: Known | None, digest: Digest, tags: tuple[str, ...]) -> SourceFile:
    """The file as it is now, opened only when its size or date differ. Raises: OSError."""
    found = os.stat(name)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is no regular file")  # a device or a pipe has no end
    modified = min(max(found.st_mtime, EARLIEST_S), LATEST_S)
    is_same = before is not None and (before.size, before.modified) == (found.st_size, modified)
    return SourceFile(
        name=name,
        sha256=before.sha256 if before and is_same else _content(name, found.st_size, digest),
        size=found.st_size,
        modified=modified,
        tags=tags or (before.tags if before else ()),
    )


def _content(name: str, size: int, digest: Digest) -> str:
    """What tells the file's content from another; of one that is too large to be read, the size is enough."""
    return digest(Path(name)) if size <= FILE_LIMIT_BYTES else f"{size} bytes"


def files_of(paths: Sequence[Path]) -> Iterator[tuple[str, OSError | None]]:
    """Every regular file below the paths once, by absolute name, in order; folders that cannot be read with the error.

    Hidden files of a folder, and links out of it, are left out; a file that was named itself is always meant.
    """
    seen: set[str] = set()
    for path in paths:
        root = Path(os.path.abspath(path))  # not resolved: a citation shows the name that the person knows
        if not os.path.exists(root):
            message = f"There is no file or folder {str(path)!r}."
            raise InvalidInput(message, hint="Name a document, or a folder of them.", field="paths")
        for name, error in _walk(root) if root.is_dir() else [(str(root), None)]:
            if name not in seen:
                seen.add(name)
                yield name, error
            if len(seen) > MOST_FILES:
                message = f"{root}: there are more than {MOST_FILES:,} files."
                raise InvalidInput(message, hint="Add a part of the folder at a time.", field="paths")


def _walk(root: Path) -> Iterator[tuple[str, OSError | None]]:
    errors: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in LEFT_OUT)
        yield from ((str(error.filename), error) for error in errors)
        errors.clear()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not name.startswith(".") and _is_regular(path):
                yield path, None
    yield from ((str(error.filename), error) for error in errors)


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False  # it went away while the folder was read


def _is_text(name: str) -> bool:
    """Whether a name can be kept and found again; file systems allow any bytes."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_below(name: str, roots: frozenset[str]) -> bool:
    """Whether a name is one of these, or lies below one."""
    return name in roots or any(str(parent) in roots for parent in PurePath(name).parents)


def _above(names: Iterable[str]) -> set[str]:
    """Every folder that one of the names lies in."""
    return {str(parent) for name in names for parent in PurePath(name).parents}


def is_gone(path: str, known: Container[str]) -> bool:
    """Whether a file was known and was deleted since; not where its folder is away too, as of a disk taken out."""
    return path in known and not os.path.lexists(path) and os.path.isdir(os.path.dirname(path))
