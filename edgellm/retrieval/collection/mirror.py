"""The signs of all vectors in memory: 48 bytes a passage of 384 dimensions, kept equal to the file."""

from __future__ import annotations

import threading
from collections.abc import Collection as Container
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgellm.retrieval.collection.bits import Words, word_count
from edgellm.retrieval.collection.schema import damaged
from edgellm.retrieval.collection.spaces import Space
from edgellm.store.db import Execute, Row

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mirror:
    """The signs as they are in one state of the collection."""

    space: int
    change: int
    """Number of the last change it holds."""
    files: Integers
    """Ids of the files with passages, ascending."""
    first_chunks: Integers
    starts: Integers
    """Where each file begins in `signs`; one more entry at the end: the number of passages."""
    signs: Words
    """(words of a vector, passages): one row is read from end to end."""

    def chunk_ids(self, positions: NDArray[np.intp]) -> Integers:
        """Passages that stand at these positions of `signs`."""
        files = np.searchsorted(self.starts, positions, side="right") - 1
        found: Integers = self.first_chunks[files] + positions - self.starts[files]
        return found

    def members(self, files: Container[int]) -> NDArray[np.bool_]:
        """Which positions belong to these files."""
        chosen = np.isin(self.files, np.fromiter(files, np.int64, len(files)))
        return np.repeat(chosen, np.diff(self.starts))


class MirrorKeeper:
    """The latest mirror, renewed when somebody changed the collection: only new files are read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: Mirror | None = None

    def at(self, execute: Execute, space: Space) -> Mirror:
        """The mirror of the state that `execute` sees."""
        change = _last_change(execute)
        with self._lock:
            known = self._latest
            if known is None or known.space != space.id or known.change > change:
                known = _empty(space)
            if known.change < change:
                known = _renewed(known, execute, space, change)
            if self._latest is None or self._latest.space < space.id or self._latest.change < change:
                self._latest = known
            return known


def _last_change(execute: Execute) -> int:
    numbers = [number for (number,) in execute("SELECT number FROM changes")]
    if len(numbers) != 1:
        raise damaged(f"The collection has {len(numbers)} counters of its changes in place of one.")
    return int(numbers[0])


def _empty(space: Space) -> Mirror:
    none = np.zeros(0, np.int64)
    return Mirror(space.id, -1, none, none, np.zeros(1, np.int64), _room(space, 0))


def _room(space: Space, count: int) -> Words:
    return np.empty((word_count(space.identity.dimensions), count), np.uint64)


def _renewed(known: Mirror, execute: Execute, space: Space, change: int) -> Mirror:
    """The mirror after a change. Raises: StoreDamaged where a passage lacks its signs."""
    rows = execute("SELECT id, first_chunk, chunk_count FROM files WHERE chunk_count > 0 ORDER BY id")
    files, first_chunks, counts = np.array(rows, np.int64).reshape(-1, 3).T
    last = int(known.files[-1]) if known.files.size else 0  # ids grow: what is new comes after what is known
    new, bytes_each = _signs_after(execute, space, last), 8 * len(known.signs)
    if [len(blob) for (blob,) in new] != [count * bytes_each for count in counts[files > last].tolist()]:
        raise damaged("The collection does not have the signs of a vector for each of its passages.")
    starts = np.concatenate(([0], np.cumsum(counts)))
    signs = _room(space, int(starts[-1]))
    kept = np.repeat(np.isin(known.files, files), np.diff(known.starts))
    place = int(kept.sum())
    signs[:, :place] = known.signs if kept.all() else known.signs[:, kept]
    for (blob,) in new:
        block = np.frombuffer(blob, "<u8").reshape(-1, len(signs)).T
        signs[:, place : place + block.shape[1]] = block
        place += block.shape[1]
    return Mirror(space.id, change, files, first_chunks, starts, signs)


def _signs_after(execute: Execute, space: Space, file: int) -> list[Row]:
    return execute(f"SELECT signs FROM {space.signs} WHERE file > ? ORDER BY file", (file,))
