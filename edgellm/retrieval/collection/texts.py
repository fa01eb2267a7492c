"""The texts of files: compressed pieces, of which a passage needs one or two."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from edgellm.store.db import Execute

PIECE_CHARACTERS = 16_384
"""Small enough that a passage is read in a fraction of a millisecond, large enough to compress three times."""


def storable(text: str) -> str:
    """`text` of the same length that can be written as UTF-8: half a surrogate pair becomes '?'."""
    return text.encode("utf-8", "replace").decode("utf-8")


def pieces(text: str) -> Iterator[tuple[int, bytes]]:
    """Position and compressed content of every piece of a text that `storable` returned."""
    for start in range(0, len(text), PIECE_CHARACTERS):
        yield start, zlib.compress(text[start : start + PIECE_CHARACTERS].encode("utf-8"))


def read_text(execute: Execute, file: int, start: int, end: int) -> str:
    """The characters from `start` to before `end` of a file's text."""
    first = start - start % PIECE_CHARACTERS
    rows = execute(
        "SELECT piece FROM texts WHERE file = ? AND start >= ? AND start < ? ORDER BY start", (file, first, end)
    )
    return "".join(zlib.decompress(piece).decode("utf-8") for (piece,) in rows)[start - first : end - first]
