"""Imitation, and what belongs to each row."""

from __future__ import annotations

import mlx.core as mx
import pytest

from edgellm.train.goal import Imitation, row_sums
from edgellm.train.rows import Row

ROWS = [Row((1, 2, 3, 4), ((1, 2), (3, 4))), Row((5, 6), ((1, 2),)), Row((7, 8, 9), ((1, 3),))]


def test_losses_are_added_up_row_by_row() -> None:
    losses = mx.array([1.0, 2.0, 4.0, 8.0, 16.0])
    assert row_sums(losses, ROWS).tolist() == [3, 4, 24]
    assert row_sums(losses[:2], ROWS[:1]).tolist() == [3]


def test_imitation_is_the_mean_by_tokens_of_the_whole_step() -> None:
    goal = Imitation()
    assert goal.rows(ROWS) == ROWS
    losses = mx.array([1.0, 2.0]), mx.array([4.0] * 3)
    parts = [goal.parts(some, units, ROWS, 0.0) for some, units in zip(losses, (ROWS[:1], ROWS[1:]), strict=True)]
    assert sum(part.item() for part in parts) == pytest.approx(15 / 5)
    assert goal.surveyed(ROWS) == []
