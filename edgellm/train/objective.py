"""What a step minimises: the loss on the data set's rows, and straying from the base on the anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
from mlx import nn

from edgellm.train.batch import Batch, make_batch
from edgellm.train.below import Below
from edgellm.train.decoder import Decoder
from edgellm.train.loss import cross_entropy, divergence
from edgellm.train.noise import noise_for
from edgellm.train.ragged import Rows
from edgellm.train.rows import Row

Gradients = dict[str, object]


@dataclass(frozen=True, slots=True)
class Share:
    """One computation's part of a step: rows to learn, and anchors beside them."""

    rows: Sequence[Row]
    anchors: Sequence[Row] = ()

    @property
    def targets(self) -> int:
        """Tokens to be predicted in the rows."""
        return sum(row.targets for row in self.rows)

    @property
    def anchored(self) -> int:
        """Positions of the anchors."""
        return sum(anchor.targets for anchor in self.anchors)

    @property
    def tokens(self) -> int:
        """Tokens of rows and anchors."""
        return sum(len(row.tokens) for row in (*self.rows, *self.anchors))


class Objective:
    """Losses of a model and their gradients. Reads the base's opinion of the anchors before anything has learnt."""

    def __init__(self, model: Decoder, anchors: Sequence[Row], anchor_weight: float, noise: float = 0.0) -> None:
        self._model, self._anchor_weight, self._noise = model, anchor_weight, noise
        self._base = {anchor: self._opinion(anchor) for anchor in anchors}
        self._below = Below(model, 0, 0)

    def keep_below(self, layers: int, budget_bytes: int) -> None:
        """The lowest `layers` do not learn: keep what they make of each row, which is read without noise then."""
        self._below = Below(self._model, layers, budget_bytes)

    def loss(self, rows: Sequence[Row]) -> mx.array:
        """Sum of the rows' losses, a scalar."""
        batch = make_batch(rows)
        x = self._read(self._below.enter(rows, batch), batch.rows, batch.positions)
        return cross_entropy(self._model, x, batch.targets)

    def gradients(self, share: Share, whole: Share) -> tuple[mx.array, Gradients]:
        """(loss of the rows, straying on the anchors), each as this share's part of the whole step's mean; gradients.

        Parts of all shares add up: the step's mean is exact by tokens, however it was divided.
        """
        everyone = (*share.rows, *share.anchors)
        batch = make_batch(everyone)
        entering = self._below.enter(everyone, batch)
        targets = share.targets
        opinion = mx.concatenate([self._base[anchor] for anchor in share.anchors]) if share.anchors else None

        def objective(model: Decoder) -> tuple[mx.array, mx.array]:
            start = entering if self._below.layers else self._embedded(model, batch, len(share.rows))
            x = self._read(start, batch.rows, batch.positions)
            loss = cross_entropy(model, x[:targets], batch.targets[:targets]) / whole.targets
            straying = mx.array(0.0)
            if opinion is not None:
                straying = divergence(model, x[targets:], opinion) / whole.anchored
            return loss + self._anchor_weight * straying, mx.stack([loss, straying])

        (_, parts), gradients = nn.value_and_grad(self._model, objective)(self._model)
        return parts, gradients

    def _embedded(self, model: Decoder, batch: Batch, rows: int) -> mx.array:
        """What the first layer reads: (tokens, width)."""
        x = model.embed(batch.tokens)
        return x + noise_for(batch.rows.layout, rows, x.shape[1], self._noise) if self._noise else x

    def _read(self, x: mx.array, rows: Rows, positions: mx.array) -> mx.array:
        return self._model.normed(self._model.run(x, rows, first=self._below.layers)[positions])

    def _opinion(self, anchor: Row) -> mx.array:
        """What the base's head reads at the anchor's positions: (positions, width)."""
        batch = make_batch([anchor])
        x = self._model.run(self._model.embed(batch.tokens), batch.rows)
        opinion = mx.stop_gradient(self._model.normed(x[batch.positions]))
        mx.eval(opinion)
        return opinion
