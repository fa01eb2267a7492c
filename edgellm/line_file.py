"""Files of JSON lines that only grow: a line is on disk when it was added, whatever happens to its writer."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgellm.decoding import json_decoder
from edgellm.errors import DiskFull
from edgellm.paths import PRIVATE_FILE, sync_dir

T = TypeVar("T")


def read_lines(path: Path, kind: type[T]) -> Iterator[T]:
    """The values of a file's whole lines; half a line of a writer that was killed is none."""
    decoder = json_decoder(kind)
    try:
        with path.open("rb") as handle:
            for line in handle:
                try:
                    yield decoder.decode(line)
                except msgspec.DecodeError:
                    continue
    except FileNotFoundError:
        return


def append_line(path: Path, value: Any) -> None:
    """One line more, on disk when this returns. Raises: DiskFull; no half line stays behind."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        size = os.fstat(descriptor).st_size
        begins_line = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
        line = (b"" if begins_line else b"\n") + msgspec.json.encode(value) + b"\n"
        if os.write(descriptor, line) < len(line):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(f"There is no space left for {path}.", hint="Free some.", path=str(path)) from error
    finally:
        os.close(descriptor)
    if is_new:
        sync_dir(path.parent)
