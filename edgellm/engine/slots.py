"""Sequence ids and KV cells: who occupies what, with shared cells counted once."""

from __future__ import annotations

import heapq
from collections.abc import Iterable


class Slots:
    """The books of the KV cache.

    A slot is one of the backend's sequence ids; it holds positions 0 up to `held` - 1. Cells are counted in
    runs that form a tree: a slot's positions are the runs from the root to its last one, and slots that share
    a beginning share those runs.
    """

    def __init__(self, slots: int, cells: int) -> None:
        self.capacity = cells
        self.used = 0
        """Cells in use."""
        self._free = list(range(slots))
        self._root = _Run(None, 0, 0)
        self._last = [self._root] * slots

    @property
    def free_cells(self) -> int:
        """Cells nobody uses."""
        return self.capacity - self.used

    @property
    def free_slots(self) -> int:
        """Sequence ids nobody uses."""
        return len(self._free)

    def held(self, slot: int) -> int:
        """Positions the slot holds."""
        return self._last[slot].end

    def take(self) -> int:
        """The lowest free slot, now the caller's."""
        return heapq.heappop(self._free)

    def give_back(self, slot: int) -> None:
        """Empty the slot and make it free."""
        self.trim(slot, 0)
        heapq.heappush(self._free, slot)

    def extend(self, slot: int, cells: int) -> None:
        """The slot gained positions in cells of its own."""
        self.used += cells
        run = self._last[slot]
        if run.users == 1 and run is not self._root:
            run.end += cells
        else:  # the new run takes this slot's place among the users of the old one
            self._last[slot] = _Run(run, run.end, run.end + cells)

    def share(self, source: int, target: int, end: int) -> None:
        """The empty slot `target` gained the first `end` positions of `source`."""
        run = self._cut(self._last[source], end)
        run.users += 1
        self._last[target] = run

    def trim(self, slot: int, start: int) -> None:
        """The slot lost its positions from `start` on; cells nobody else holds are free again."""
        run = self._last[slot]
        if start >= run.end:
            return
        keep = self._cut(run, start)
        keep.users += 1
        self._last[slot] = keep
        self._leave(run)

    def cells_of(self, beginnings: Iterable[tuple[int, int]]) -> int:
        """Cells under the given (slot, length) beginnings, shared ones counted once."""
        ends: dict[_Run, int] = {}
        for slot, length in beginnings:
            run: _Run | None = self._last[slot]
            while run is not None:
                ends[run] = max(ends.get(run, run.start), min(run.end, length))
                run = run.parent
        return sum(end - run.start for run, end in ends.items())

    def _cut(self, run: _Run, end: int) -> _Run:
        """The run that ends at position `end` on the way from the root to `run`, split off when there is none."""
        assert 0 <= end <= run.end, f"position {end} is outside the {run.end} positions held"
        while run.parent is not None and run.start >= end:
            run = run.parent
        if run.end > end:
            upper = _Run(run.parent, run.start, end)
            run.parent, run.start = upper, end
            run = upper
        return run

    def _leave(self, run: _Run) -> None:
        """One user fewer; runs without users give their cells back."""
        while run.parent is not None:
            run.users -= 1
            if run.users > 0:
                return
            self.used -= run.end - run.start
            run = run.parent


class _Run:
    """Consecutive positions whose cells always have the same slots; `users` are slots that end here and child runs."""

    __slots__ = ("end", "parent", "start", "users")

    def __init__(self, parent: _Run | None, start: int, end: int) -> None:
        self.parent = parent
        self.start = start
        self.end = end
        self.users = 1
