"""Which rows make up which step: the same seed gives the same order, from any step on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgellm.train.rows import Row

BUCKET_TOKENS = 64
"""Rows whose lengths differ by less may share a batch: attention pads to the longest."""
WINDOW_BATCHES = 50
"""So many batches' rows are sorted by length together; the order of batches stays random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """How rows are put together."""

    rows: int
    """Rows of the data set in one step."""
    tokens: int
    """Most tokens in one step; a batch with longer rows has fewer of them."""
    anchors: int = 0
    """Anchor rows beside them."""
    seed: int = 0


def batches_of(epoch: int, rows: Sequence[Row], plan: BatchPlan) -> list[list[int]]:
    """One epoch's batches, as row numbers; every row is in exactly one."""
    chance = random.Random(f"{plan.seed}/{epoch}")
    order = list(range(len(rows)))
    chance.shuffle(order)
    window = WINDOW_BATCHES * plan.rows
    batches: list[list[int]] = []
    for at in range(0, len(order), window):
        near = sorted(order[at : at + window], key=lambda number: len(rows[number].tokens) // BUCKET_TOKENS)
        batches += _filled(near, rows, plan)
    chance.shuffle(batches)
    return batches


def _filled(order: Sequence[int], rows: Sequence[Row], plan: BatchPlan) -> Iterator[list[int]]:
    batch: list[int] = []
    tokens = 0
    for number in order:
        length = len(rows[number].tokens)
        if batch and (len(batch) == plan.rows or tokens + length > plan.tokens):
            yield batch
            batch, tokens = [], 0
        batch.append(number)
        tokens += length
    if batch:
        yield batch


class Schedule:
    """The batches of a whole run."""

    def __init__(self, rows: Sequence[Row], anchors: Sequence[Row], plan: BatchPlan) -> None:
        self._rows, self._anchors, self._plan = rows, anchors, plan
        self.batches_per_epoch = len(batches_of(0, rows, plan))
        self._epoch: tuple[int, list[list[int]]] = (-1, [])

    def batch(self, number: int) -> list[Row]:
        """The rows of a batch, counted from 0. Epochs may differ by a few batches where long rows meet."""
        epoch, at = divmod(number, self.batches_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, batches_of(epoch, self._rows, self._plan))
        batches = self._epoch[1]
        return [self._rows[row] for row in batches[at % len(batches)]]

    def anchors(self, number: int) -> list[Row]:
        """The anchors beside a batch; all get their turn before one comes again."""
        total = len(self._anchors)
        count = min(self._plan.anchors, total)
        places = range(number * count, (number + 1) * count)
        return [self._anchors[self._anchor_order(place // total)[place % total]] for place in places]

    def _anchor_order(self, turn: int) -> list[int]:
        order = list(range(len(self._anchors)))
        random.Random(f"{self._plan.seed}/anchors/{turn}").shuffle(order)
        return order
