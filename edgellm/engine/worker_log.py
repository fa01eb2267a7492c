"""The file that catches what a worker process and llama.cpp write to standard error."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from edgellm.paths import PRIVATE_FILE, private_dir

SIZE_LIMIT_BYTES = 1024**2
"""A larger file is begun anew when a worker starts."""
_TAIL_BYTES = 8192
_NAME_CHARACTERS = 60
"""Of the model's name: a file name has 255 bytes, a character up to four."""


class WorkerLog:
    """One worker's part of a log file."""

    def __init__(self, folder: Path | None, model_path: str) -> None:
        """A private file in `folder` named after the model; without a folder, one that is gone with this object."""
        name = Path(model_path).stem[:_NAME_CHARACTERS] or "model"
        self.path = folder and private_dir(folder) / f"worker-{name}.log"
        self.handle = _open(self.path)
        self._start = os.fstat(self.handle.fileno()).st_size

    def last_lines(self, count: int = 5) -> str:
        """The newest lines written since this object was made; bytes that are no UTF-8 are replaced."""
        end = os.fstat(self.handle.fileno()).st_size
        start = max(self._start, end - _TAIL_BYTES)
        tail = os.pread(self.handle.fileno(), end - start, start).decode("utf-8", "replace")
        return "\n".join(tail.splitlines()[-count:])

    def close(self) -> None:
        """Release the file."""
        self.handle.close()


def _open(path: Path | None) -> BinaryIO:
    if path is None:
        return tempfile.TemporaryFile("a+b")
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    if path.exists() and path.stat().st_size > SIZE_LIMIT_BYTES:
        flags |= os.O_TRUNC
    return os.fdopen(os.open(path, flags, PRIVATE_FILE), "a+b")
