"""What a step's rows are read for: a loss, and measures beside it, from the losses of their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import mlx.core as mx

from edgellm.train.batch import by_row
from edgellm.train.rows import Row, Unit

U_contra = TypeVar("U_contra", bound=Unit, contravariant=True)


class Goal(Protocol[U_contra]):
    """Every number is a part of the whole step's mean: those of a step's shares add up, however it was divided."""

    @property
    def names(self) -> tuple[str, ...]:
        """What is measured beside the loss."""

    def rows(self, units: Sequence[U_contra]) -> list[Row]:
        """The rows that are read to learn from them."""

    def parts(
        self, losses: mx.array, units: Sequence[U_contra], whole: Sequence[U_contra], baseline: float
    ) -> mx.array:
        """The loss, then what `names` says: (1 + names,).

        losses: -log p of the targets of `rows(units)`, (positions,); whole: the units of the whole step; baseline: what
        `baseline` gave for the whole step.
        """

    def surveyed(self, units: Sequence[U_contra]) -> list[Row]:
        """Rows that are read first, without learning from them, to find the baseline."""

    def baseline(self, losses: mx.array, units: Sequence[U_contra], whole: Sequence[U_contra]) -> mx.array:
        """A number that all shares of a step need, from the losses of `surveyed(units)`: a scalar."""


class Imitation:
    """Supervised tuning: the mean of -log p over all targets."""

    names: tuple[str, ...] = ()

    def rows(self, units: Sequence[Unit]) -> list[Row]:
        """All of them."""
        return [row for unit in units for row in unit.rows]

    def parts(self, losses: mx.array, _units: Sequence[Unit], whole: Sequence[Unit], _baseline: float) -> mx.array:
        """The loss alone."""
        return losses.sum()[None] / sum(row.targets for row in self.rows(whole))

    def surveyed(self, _units: Sequence[Unit]) -> list[Row]:
        """None."""
        return []

    def baseline(self, _losses: mx.array, _units: Sequence[Unit], _whole: Sequence[Unit]) -> mx.array:
        """None is needed."""
        return mx.array(0.0)


def row_sums(losses: mx.array, rows: Sequence[Row]) -> mx.array:
    """What belongs to each row, added up: (positions,) to (rows,)."""
    return mx.stack([part.sum() for part in by_row(losses, rows)])
