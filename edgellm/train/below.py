"""What the frozen lower layers make of each row, computed once and kept.

When only the top layers learn, and nothing random happens below them, what enters them is the same in every epoch.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx

from edgellm.train.batch import Batch
from edgellm.train.decoder import Decoder
from edgellm.train.rows import Row


class Below:
    """Keeps (tokens of a row, width) for each row, up to `budget_bytes`; the rest is computed each time."""

    def __init__(self, model: Decoder, layers: int, budget_bytes: int) -> None:
        self.layers = layers
        self._model = model
        self._left_bytes = budget_bytes
        self._kept: dict[Row, mx.array] = {}

    def enter(self, rows: Sequence[Row], batch: Batch) -> mx.array:
        """What enters the first learning layer, in the batch's ragged order (tokens, width)."""
        if not self.layers:
            return self._model.embed(batch.tokens)
        if all(row in self._kept for row in rows):
            return self._assembled(rows, batch)
        x = mx.stop_gradient(self._model.run(self._model.embed(batch.tokens), batch.rows, last=self.layers))
        mx.eval(x)
        self._keep(rows, batch, x)
        return x

    def _assembled(self, rows: Sequence[Row], batch: Batch) -> mx.array:
        shared = batch.rows.layout.shared
        first = [self._kept[rows[0]][:shared]] if shared else []
        return mx.concatenate([*first, *(self._kept[row][shared:] for row in rows)])

    def _keep(self, rows: Sequence[Row], batch: Batch, x: mx.array) -> None:
        at = shared = batch.rows.layout.shared
        for row, own in zip(rows, batch.rows.layout.own, strict=True):
            part = mx.concatenate([x[:shared], x[at : at + own]])
            at += own
            if row not in self._kept and part.nbytes <= self._left_bytes:
                mx.eval(part)
                self._left_bytes -= part.nbytes
                self._kept[row] = part
