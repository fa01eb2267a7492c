"""The books of the KV cache agree with a naive model that keeps every cell."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edgellm.engine.slots import Slots

SLOTS = 5


class SlotsMachine(RuleBasedStateMachine):
    """Random extending, sharing and trimming."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = Slots(SLOTS, 1_000)
        self.cells: dict[int, list[int]] = {}
        self.next_cell = 0

    @rule(cells=st.integers(1, 9))
    @precondition(lambda self: len(self.cells) < SLOTS)
    def begin(self, cells: int) -> None:
        slot = self.slots.take()
        assert slot not in self.cells
        assert slot == min(set(range(SLOTS)) - set(self.cells))
        self.cells[slot] = []
        self._extend(slot, cells)

    @rule(data=st.data(), cells=st.integers(1, 9))
    @precondition(lambda self: self.cells)
    def extend(self, data: st.DataObject, cells: int) -> None:
        self._extend(data.draw(st.sampled_from(sorted(self.cells))), cells)

    @rule(data=st.data())
    @precondition(lambda self: 0 < len(self.cells) < SLOTS)
    def share(self, data: st.DataObject) -> None:
        source = data.draw(st.sampled_from(sorted(self.cells)))
        end = data.draw(st.integers(0, len(self.cells[source])))
        target = self.slots.take()
        self.slots.share(source, target, end)
        self.cells[target] = self.cells[source][:end]

    @rule(data=st.data())
    @precondition(lambda self: self.cells)
    def trim(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.cells)))
        start = data.draw(st.integers(0, len(self.cells[slot]) + 1))
        self.slots.trim(slot, start)
        del self.cells[slot][start:]

    @rule(data=st.data())
    @precondition(lambda self: self.cells)
    def give_back(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.cells)))
        self.slots.give_back(slot)
        del self.cells[slot]

    @invariant()
    def agrees(self) -> None:
        assert self.slots.used == len({cell for cells in self.cells.values() for cell in cells})
        assert self.slots.free_slots == SLOTS - len(self.cells)
        for slot, cells in self.cells.items():
            assert self.slots.held(slot) == len(cells)

    @invariant()
    def counts_beginnings_once(self) -> None:
        halves = {slot: len(cells) // 2 for slot, cells in self.cells.items()}
        naive = {cell for slot, half in halves.items() for cell in self.cells[slot][:half]}
        assert self.slots.cells_of(halves.items()) == len(naive)

    def _extend(self, slot: int, cells: int) -> None:
        self.slots.extend(slot, cells)
        self.cells[slot] += range(self.next_cell, self.next_cell + cells)
        self.next_cell += cells


TestSlotsMachine = SlotsMachine.TestCase
TestSlotsMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_more_than_is_held_cannot_be_shared() -> None:
    slots = Slots(2, 10)
    source, target = slots.take(), slots.take()
    slots.extend(source, 3)
    with pytest.raises(AssertionError, match="position 4"):
        slots.share(source, target, 4)
