"""Rows of Parquet files, read by a limited process: what a damaged file does to pyarrow, it does there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from typing import IO, Any, BinaryIO

import msgspec

from edgellm.data.parquet_child import FRAME_BYTES, FRAME_S, OUT_OF_MEMORY
from edgellm.data.reading import Reading
from edgellm.data.rows import Record, Source
from edgellm.decoding import from_msgpack
from edgellm.errors import DataRejected, MissingExtra
from edgellm.limited import Limits, start_limited
from edgellm.sizes import size

MEMORY_BYTES = 4 * 1024**3
"""Address space, of which pyarrow reserves more than it uses."""
LEAST_S = 600
BYTES_PER_SECOND = 100_000
"""A file has this time, of a processor, and a second more for each of these; a frame of rows has `FRAME_S`."""
GRACE_S = 5
_Frame = list[dict[str, Any]] | str
_LENGTH_BYTES = 4


def read_parquet(handle: BinaryIO, reading: Reading) -> Iterator[Record]:
    """One record for each row; lines are row numbers from 1. Raises: DataRejected, MissingExtra."""
    if find_spec("pyarrow") is None:
        raise MissingExtra(
            "Parquet files need pyarrow.", hint="Install it with: pip install 'edgellm[parquet]'", extra="parquet"
        )
    number = 0
    for frame in _frames(handle):
        if isinstance(frame, str):
            raise DataRejected(f"{reading.file}:{number + 1}: the row {frame}.", file=reading.file, line=number + 1)
        for row in frame:
            number += 1
            yield reading.record(row, Source(reading.file, number))


def _frames(handle: BinaryIO) -> Iterator[_Frame]:
    """Rows as the child hands them out; a text, which is the last, where it could not go on."""
    wall_s = LEAST_S + os.fstat(handle.fileno()).st_size // BYTES_PER_SECOND
    command = [sys.executable, "-P", "-W", "ignore", "-m", "edgellm.data.parquet_child"]
    with tempfile.TemporaryFile() as said:
        limits = Limits(memory_bytes=MEMORY_BYTES, wall_s=wall_s)
        child = start_limited(command, limits, os.environ, (handle, subprocess.PIPE, said))
        assert child.stdout is not None  # it is a pipe
        try:
            while frame := _frame(child.stdout):
                yield frame
            if frame is None:
                yield f"and what follows cannot be read: {_why(_ended(child), said)}"
        finally:
            child.kill()
            child.stdout.close()
            child.wait()


def _frame(stream: IO[bytes]) -> _Frame | None:
    """The next frame, empty at the file's end; None: the child ended before."""
    length = int.from_bytes(stream.read(_LENGTH_BYTES), "big")
    if not 0 < length <= FRAME_BYTES:
        return None
    data = stream.read(length)
    try:
        frame: _Frame = from_msgpack(data, type=_Frame)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return frame


def _ended(child: subprocess.Popen[bytes]) -> int:
    """The exit code of a child that has nothing more to say; one that goes on is ended."""
    assert child.stdout is not None  # it is a pipe
    child.stdout.close()
    try:
        return child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _why(exit_code: int, said: IO[bytes]) -> str:
    """Why a child ended too early."""
    if exit_code == OUT_OF_MEMORY:
        return f"it needs more than {size(MEMORY_BYTES)} of memory"
    if exit_code in (-signal.SIGALRM, -signal.SIGXCPU):
        return (
            f"it takes too long, for one part more than {FRAME_S} s or for the whole more than a file of its size may"
        )
    if exit_code < 0:
        return f"it crashed the reader ({signal.Signals(-exit_code).name})"
    said.seek(0)
    last = said.read().decode(errors="replace").strip().splitlines()[-1:]
    return f"the reader ended with exit code {exit_code}" + (f": {last[0]}" if last else "")
