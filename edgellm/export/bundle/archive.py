"""The container: a tar file of plain members, each header exactly as this module would write it.

Format: POSIX ustar headers with GNU's encoding of sizes from 8 GiB on, as Python's tarfile writes them. A header that
is not byte for byte what `header` makes of its name and size is refused: links, folders, devices, long names, extended
attributes and sparse files cannot be said at all.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from edgellm.errors import InvalidInput
from edgellm.export.bundle.manifest import MAX_TEXT, unusable

BLOCK = 512
CHUNK_BYTES = 1024**2
END = bytes(2 * BLOCK)

OnBytes = Callable[[int], None]


def header(name: str, size: int) -> bytes:
    """The block before a member's content."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(format=tarfile.GNU_FORMAT, encoding="ascii", errors="strict")


def padding(size: int) -> int:
    """Bytes between a member's content and the next block."""
    return -size % BLOCK


def extent(size: int) -> int:
    """What a member takes in the archive, its header included."""
    return BLOCK + size + padding(size)


def write_member(out: BinaryIO, name: str, content: bytes) -> None:
    """A small member."""
    out.write(header(name, len(content)) + content + bytes(padding(len(content))))


def copy_member(out: BinaryIO, name: str, size: int, source: BinaryIO, on_bytes: OnBytes) -> str:
    """A member from a file. Returns: the SHA-256 of what was written. Raises: InvalidInput when its size is another."""
    out.write(header(name, size))
    digest, left = hashlib.sha256(), size
    while piece := source.read(min(CHUNK_BYTES, left + 1)):
        if len(piece) > left:
            break
        out.write(piece)
        digest.update(piece)
        left -= len(piece)
        on_bytes(len(piece))
    if left or piece:
        raise InvalidInput(f"The size of {name!r} changed while it was read.", hint="Try again.", field="model")
    out.write(bytes(padding(size)))
    return digest.hexdigest()


class ArchiveReader:
    """Reads members one after the other. Errors: InvalidInput for everything that `header` would not have written."""

    def __init__(self, path: Path) -> None:
        """Raises: InvalidInput when there is no ordinary file; OSError."""
        if not path.is_file():
            raise InvalidInput(f"{str(path)!r} is no file.", hint="Check the path.", field="file")
        self._file = path.open("rb")
        self.size = os.fstat(self._file.fileno()).st_size
        self.offset = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def small(self, limit: int) -> tuple[str, bytes]:
        """The next member's name and content, whose size nobody has said yet."""
        block = self._take(BLOCK)
        try:
            info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
            is_plain = header(info.name, info.size) == block
        except (tarfile.HeaderError, ValueError, OverflowError) as error:
            at = self.offset - BLOCK
            raise unusable(f"at byte {at} there is no member" if at else "the file is no bundle") from error
        if not is_plain or not 0 <= info.size <= limit:
            raise unusable(f"the member {info.name[:MAX_TEXT]!r} is no plain file of at most {limit} bytes")
        content = self._take(info.size)
        self._end_member(info.size)
        return info.name, content

    def member(self, name: str, size: int, out: BinaryIO, on_bytes: OnBytes) -> str:
        """Copy the next member, which has this name and size. Returns: its SHA-256."""
        if self._take(BLOCK) != header(name, size):
            raise unusable(f"where {name!r} should begin, at byte {self.offset - BLOCK}, there is something else")
        digest, left = hashlib.sha256(), size
        while left:
            piece = self._take(min(CHUNK_BYTES, left))
            digest.update(piece)
            out.write(piece)
            left -= len(piece)
            on_bytes(len(piece))
        self._end_member(size)
        return digest.hexdigest()

    def end(self) -> None:
        """Nothing but the archive's end may be left."""
        if self._take(len(END)) != END or self._file.read(1):
            raise unusable(f"something else follows its end, at byte {self.offset}")

    def _end_member(self, size: int) -> None:
        if any(self._take(padding(size))):
            raise unusable(f"between two members, before byte {self.offset}, something is hidden")

    def _take(self, size: int) -> bytes:
        piece = self._file.read(size)
        self.offset += len(piece)
        if len(piece) != size:
            raise unusable(f"it ends at byte {self.offset}, in the middle")
        return piece
