"""Rows as the arrays of one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import mlx.core as mx

from edgellm.train.ragged import Layout, Rows
from edgellm.train.rows import Row, shared_beginning


@dataclass(frozen=True, slots=True)
class Batch:
    """One ragged batch."""

    rows: Rows
    tokens: mx.array
    """(tokens,) ids: the shared beginning, then each row's own."""
    positions: mx.array
    """(targets,) places in `tokens` whose outputs predict `targets`."""
    targets: mx.array
    """(targets,) ids."""
    real_tokens: int
    """Tokens of the rows, the shared ones counted in each."""


def make_batch(rows: Sequence[Row]) -> Batch:
    """The rows side by side, with what they share computed once."""
    shared = shared_beginning(rows)
    tokens = list(rows[0].tokens[:shared])
    positions: list[int] = []
    targets: list[int] = []
    for row in rows:
        shift = len(tokens) - shared
        for start, end in row.supervised:
            positions += range(shift + start - 1, shift + end - 1)
            targets += row.tokens[start:end]
        tokens += row.tokens[shared:]
    layout = Layout(shared, tuple(len(row.tokens) - shared for row in rows))
    return Batch(
        Rows(layout), mx.array(tokens), mx.array(positions), mx.array(targets), sum(len(row.tokens) for row in rows)
    )


def by_row(values: mx.array, rows: Sequence[Row]) -> list[mx.array]:
    """What belongs to a batch's targets, (targets, ...), apart for each row: (targets of the row, ...)."""
    ends = list(accumulate(row.targets for row in rows))[:-1]
    return list(mx.split(values, ends))
