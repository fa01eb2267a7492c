"""Kernels that MLX compiles on a CPU, kept from one process to the next.

MLX compiles each fused function with the machine's C++ compiler, about a second each, into a library under TMPDIR, and
loads it from there when it exists. A process whose end nobody knows may leave half of one, so each has a folder of its
own, and only what a process left that ended well is kept.
"""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from edgellm.paths import private_dir, write_private


def lend_kernels(kept: Path, folder: Path) -> None:
    """Give a process, whose TMPDIR `folder` is, what others have compiled. Raises: OSError."""
    ours = _for_this_machine(kept)
    for library in _libraries(ours):
        shutil.copyfile(library, _place(library, ours, folder))


def keep_kernels(folder: Path, kept: Path) -> None:
    """Keep what a process compiled that has ended well; each appears whole or not at all. Raises: OSError."""
    ours = _for_this_machine(kept)
    for library in _libraries(folder):
        target = _place(library, folder, ours)
        if not target.exists():
            write_private(target, library.read_bytes())


def _for_this_machine(kept: Path) -> Path:
    """A home may be carried to a machine of another kind; MLX itself tells its versions apart."""
    return kept / platform.machine()


def _libraries(folder: Path) -> list[Path]:
    return sorted(folder.glob("mlx/*/cpu/*.so"))


def _place(library: Path, before: Path, after: Path) -> Path:
    target = after / library.relative_to(before)
    private_dir(target.parent)
    return target
