"""Bounded reading of GGUF's primitive values; whatever is wrong with a file becomes ModelRejected."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from edgellm.errors import ModelRejected

MAX_TEXT_BYTES = 16 * 1024**2
MAX_KEPT_BYTES = 24 * 1024**2
MAX_WALKED_ITEMS = 8 * 1024**2
INLINE_ITEMS = 1_024
"""Arrays up to this length are kept as tuples."""
ITEM_COST_BYTES = 64
STRING, ARRAY = 8, 9

_WINDOW_BYTES = 1024**2
_BOOL = 7
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_FIXED = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}

Scalar = bool | int | float | str


@dataclass(frozen=True, slots=True)
class LongArray:
    """An array too long to keep; `GGUFHeader.items` reads it."""

    type: int
    count: int
    offset: int


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """A reader on a regular file; errors of the operating system become ModelRejected."""
    path = Path(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                _reject(path, "it is not a regular file")
            yield Reader(path, file, status.st_size)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        _reject(path, f"it cannot be read: {reason}")


def _reject(path: Path, reason: str, offset: int | None = None) -> NoReturn:
    where = "" if offset is None else f" (byte {offset})"
    raise ModelRejected(
        f"{str(path)!r} is not a usable GGUF file: {reason}{where}.",
        hint="Download the file again or choose another one.",
        path=str(path),
        reason=reason,
        offset=offset,
    )


class Reader:
    """Bounded sequential reading with a window of one mebibyte."""

    def __init__(self, path: Path, file: BinaryIO, file_bytes: int) -> None:
        self.path = path
        self.file_bytes = file_bytes
        self._file = file
        self._window = b""
        self._window_start = 0
        self._at = 0
        self._kept_bytes = 0
        self._walked_items = 0

    @property
    def position(self) -> int:
        """Bytes from the start of the file."""
        return self._window_start + self._at

    def reject(self, reason: str, offset: int | None = None) -> NoReturn:
        """Refuse the file; the current position is named when no offset is given."""
        _reject(self.path, reason, self.position if offset is None else offset)

    def limited(self, count: int, limit: int, what: str) -> int:
        """`count`, unless it is over the limit."""
        if count > limit:
            self.reject(f"{what} is {count}, over the limit of {limit}")
        return count

    def walked(self, count: int) -> None:
        """Account for array items, so that many long arrays cannot take minutes."""
        self._walked_items += count
        self.limited(self._walked_items, MAX_WALKED_ITEMS, "the number of array items in the header")

    def kept(self, size: int) -> None:
        """Account for memory that the header will hold."""
        self._kept_bytes += size
        self.limited(self._kept_bytes, MAX_KEPT_BYTES, "the size of the header in memory")

    def seek(self, position: int, what: str) -> None:
        """Go to an absolute position inside the file."""
        if position > self.file_bytes:
            self.reject(f"the file ends inside {what}; it is truncated or damaged", self.file_bytes)
        if self._window_start <= position <= self._window_start + len(self._window):
            self._at = position - self._window_start
            return
        self._file.seek(position)
        self._window, self._window_start, self._at = b"", position, 0

    def take(self, size: int, what: str) -> bytes:
        """The next `size` bytes."""
        end = self._at + size
        if end > len(self._window):
            self._fill(size, what)
            end = size
        piece = self._window[self._at : end]
        self._at = end
        return piece

    def _fill(self, size: int, what: str) -> None:
        """Move the window so that it starts here and holds at least `size` bytes."""
        start = self.position
        if start + size > self.file_bytes:
            self.reject(f"the file ends inside {what}; it is truncated or damaged")
        self._file.seek(start)
        wanted = max(size, _WINDOW_BYTES)
        pieces: list[bytes] = []
        while wanted and (piece := self._file.read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        self._window, self._window_start, self._at = b"".join(pieces), start, 0
        if len(self._window) < size:
            self.reject(f"the file ends inside {what}; it is truncated or damaged")

    def u32(self, what: str) -> int:
        """The next unsigned 32-bit number."""
        number: int = _U32.unpack(self.take(4, what))[0]
        return number

    def u64(self, what: str) -> int:
        """The next unsigned 64-bit number."""
        number: int = _U64.unpack(self.take(8, what))[0]
        return number

    def text(self, what: str, limit: int = MAX_TEXT_BYTES) -> str:
        """The next string, decoded."""
        size = self.u64(what)
        if size > limit:
            self.reject(f"the length of {what} is {size}, over the limit of {limit}", self.position - 8)
        try:
            return self.take(size, what).decode()
        except UnicodeDecodeError:
            self.reject(f"{what} is not UTF-8", self.position - size)

    def scalars(self, kind: int, count: int, what: str) -> Iterator[Scalar]:
        """The next `count` values of a GGUF type that is no array."""
        if kind == STRING:
            for _ in range(count):
                yield self.text(what)
            return
        code, width = self._fixed(kind, what)
        for start in range(0, count, INLINE_ITEMS):
            size = min(INLINE_ITEMS, count - start)
            values = struct.unpack(f"<{size}{code}", self.take(size * width, what))
            if kind == _BOOL and not {0, 1}.issuperset(values):
                self.reject(f"{what} holds a truth value that is neither 0 nor 1")
            yield from map(bool, values) if kind == _BOOL else values

    def _fixed(self, kind: int, what: str) -> tuple[str, int]:
        """Format letter and size in bytes of a type with a fixed size."""
        code = _FIXED.get(kind)
        if code is None:
            self.reject(f"{what} has the unknown or nested value type {kind}")
        return code, struct.calcsize("<" + code)

    def skip_array(self, array: LongArray, what: str) -> None:
        """Walk over an array without keeping its items."""
        if array.type == STRING:
            self._skip_texts(array.count, what)
        else:
            self.seek(array.offset + array.count * self._fixed(array.type, what)[1], what)

    def _skip_texts(self, count: int, what: str) -> None:
        """Check string by string that lengths stay inside the file; the loop is the hot spot of a whole read."""
        unpack = _U64.unpack_from
        window, at = self._window, self._at
        for _ in range(count):
            if at + 8 > len(window):
                self.seek(self._window_start + at, what)
                self._fill(8, what)
                window, at = self._window, 0
            at += 8 + unpack(window, at)[0]
        self.seek(self._window_start + at, what)
