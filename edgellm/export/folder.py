"""The folder an export appears in: made beside its place, complete when it gets its name."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from edgellm.errors import DiskFull, InvalidInput
from edgellm.paths import PRIVATE_DIR, PRIVATE_FILE, private_dir, sync_dir


def check_vacant(folder: Path) -> None:
    """Raises: InvalidInput when something is there already."""
    if folder.exists():
        hint = "Remove it first, or name another folder."
        raise InvalidInput(f"{str(folder)!r} exists already.", hint=hint, field="out", remedy="out")


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """A private folder to work in; gone when the block is left, unless it was put in place.

    Raises: DiskFull in place of the system's own error; InvalidInput when another export was faster.
    """
    with _disk(target), _folder_beside(target) as folder:
        yield folder


def put_in_place(folder: Path, target: Path) -> None:
    """Give a finished folder its name."""
    sync_dir(folder)
    folder.rename(target)
    sync_dir(target.parent)


def keep(path: Path) -> None:
    """Make a finished file private, and survive power loss."""
    path.chmod(PRIVATE_FILE)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Tell a full disk, or a folder that another export made meanwhile, by its own error."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise InvalidInput(f"{str(folder)!r} exists by now.", hint="Name another folder.", field="out") from error
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        message = f"No space is left for {str(folder)!r}."
        raise DiskFull(message, hint="Free some; nothing was kept.", path=str(folder)) from error


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """A new folder next to the target; gone when the block is left, unless it was renamed."""
    private_dir(target.parent)
    remove_leftovers(target.parent)
    folder = target.parent / f".{target.name}.export-{os.getpid()}.part"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=PRIVATE_DIR)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(parent: Path) -> None:
    """Remove the work folders of exports whose process is gone."""
    for entry in parent.glob(".*.part"):
        found = re.fullmatch(r"\..+\.export-(\d+)\.part", entry.name)
        if found and not psutil.pid_exists(int(found[1])):
            shutil.rmtree(entry, ignore_errors=True)
