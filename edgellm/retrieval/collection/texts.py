"""The texts of files: compressed pieces, of which a passage needs one or two."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from edgellm.retrieval.collection.schema import damaged
from edgellm.store.db import Execute

PIECE_CHARACTERS = 16_384
"""Small enough that a passage is read in a fraction of a millisecond, large enough to compress three times."""
PIECE_BYTES = 4 * PIECE_CHARACTERS
"""Most that a piece unpacks to: a collection may come from elsewhere."""


def storable(text: str) -> str:
    """`text` of the same length that can be written as UTF-8: half a surrogate pair becomes '?'."""
    return text.encode("utf-8", "replace").decode("utf-8")


def pieces(text: str) -> Iterator[tuple[int, bytes]]:
    """Position and compressed content of every piece of a text that `storable` returned."""
    for start in range(0, len(text), PIECE_CHARACTERS):
        yield start, zlib.compress(text[start : start + PIECE_CHARACTERS].encode("utf-8"))


def read_text(execute: Execute, file: int, start: int, end: int) -> str:
    """The characters from `start` to before `end` of a file's text. Raises: StoreDamaged."""
    first = start - start % PIECE_CHARACTERS
    rows = execute(
        "SELECT piece FROM texts WHERE file = ? AND start >= ? AND start < ? ORDER BY start", (file, first, end)
    )
    return "".join(_unpacked(piece) for (piece,) in rows)[start - first : end - first]


def _unpacked(piece: bytes) -> str:
    packer = zlib.decompressobj()
    try:
        found = packer.decompress(piece, PIECE_BYTES + 1)  # one more, so that a piece that is full comes to its end
        if not packer.eof:
            raise zlib.error(f"it is cut off, or unpacks to more than {PIECE_BYTES:,} bytes")
        return found.decode("utf-8")
    except (zlib.error, UnicodeDecodeError) as error:
        raise damaged(f"A piece of text of the collection is damaged: {error}.", str(error)) from error
