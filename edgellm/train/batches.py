"""Which rows make up which step: the same seed gives the same order, from any step on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from edgellm.train.rows import Row, Unit, tokens_of

U = TypeVar("U", bound=Unit)

BUCKET_TOKENS = 64
"""Rows whose lengths differ by less may share a batch: attention pads to the longest."""
WINDOW_BATCHES = 50
"""So many batches' rows are sorted by length together; the order of batches stays random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """How rows are put together."""

    rows: int
    """Rows of the data set, or pairs of them, in one step."""
    tokens: int
    """Most tokens in one step; a batch with longer rows has fewer of them."""
    anchors: int = 0
    """Anchor rows beside them."""
    seed: int = 0


def batches_of(epoch: int, units: Sequence[Unit], plan: BatchPlan) -> list[list[int]]:
    """One epoch's batches, as numbers of units; every one is in exactly one."""
    chance = random.Random(f"{plan.seed}/{epoch}")
    lengths = [tokens_of(unit) for unit in units]
    order = list(range(len(units)))
    chance.shuffle(order)
    window = WINDOW_BATCHES * plan.rows
    batches: list[list[int]] = []
    for at in range(0, len(order), window):
        near = sorted(order[at : at + window], key=lambda number: lengths[number] // BUCKET_TOKENS)
        batches += _filled(near, lengths, plan)
    chance.shuffle(batches)
    return batches


def _filled(order: Sequence[int], lengths: Sequence[int], plan: BatchPlan) -> Iterator[list[int]]:
    batch: list[int] = []
    tokens = 0
    for number in order:
        if batch and (len(batch) == plan.rows or tokens + lengths[number] > plan.tokens):
            yield batch
            batch, tokens = [], 0
        batch.append(number)
        tokens += lengths[number]
    if batch:
        yield batch


class Schedule(Generic[U]):
    """The batches of a whole run."""

    def __init__(self, units: Sequence[U], anchors: Sequence[Row], plan: BatchPlan) -> None:
        self._units, self._anchors, self._plan = units, anchors, plan
        self.batches_per_epoch = len(batches_of(0, units, plan))
        self._epoch: tuple[int, list[list[int]]] = (-1, [])

    def batch(self, number: int) -> list[U]:
        """The units of a batch, counted from 0. Epochs may differ by a few batches where long rows meet."""
        epoch, at = divmod(number, self.batches_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, batches_of(epoch, self._units, self._plan))
        batches = self._epoch[1]
        return [self._units[unit] for unit in batches[at % len(batches)]]

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
