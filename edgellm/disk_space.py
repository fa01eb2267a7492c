"""Free space on a disk, checked before a large file is written."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgellm.errors import DiskFull
from edgellm.sizes import size

SPARE_BYTES = 256 * 1024**2
"""Disk space that a new file must leave free."""


def free_bytes(folder: Path) -> int:
    """Free space where `folder` is, or will be created."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def check_space(folder: Path, needed_bytes: int) -> None:
    """Raises: DiskFull when `needed_bytes` would not leave some space free."""
    free = free_bytes(folder)
    if needed_bytes + SPARE_BYTES > free:
        raise DiskFull(
            f"The file needs {size(needed_bytes)}, but only {size(free)} are free in {str(folder)!r}.",
            hint="Free some space or move EDGELLM_HOME to a larger disk.",
            needed_bytes=needed_bytes,
            available_bytes=free,
        )
