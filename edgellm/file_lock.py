"""A lock between processes that ends with its holder, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgellm.paths import PRIVATE_FILE, private_dir

_POLL_S = 0.2


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`, which exists only meanwhile.

    `on_wait` is called five times a second while somebody else holds it; an exception it raises ends the waiting.
    """
    private_dir(path.parent)
    while (descriptor := _taken(path)) is None:
        on_wait()
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # before the lock is given up: see _taken
        os.close(descriptor)


def _taken(path: Path) -> int | None:
    """The locked descriptor; None when another holds the lock, or held and removed the file that was opened."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        return None
    os.close(descriptor)
    return None
