"""What a step minimises: the loss that its goal finds in the rows, and straying from the base on the anchors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import mlx.core as mx
from mlx import nn

from edgellm.train.batch import Batch, by_row, make_batch
from edgellm.train.below import Below
from edgellm.train.decoder import Decoder
from edgellm.train.goal import Goal
from edgellm.train.lora import draw_masks
from edgellm.train.loss import divergence, token_losses
from edgellm.train.noise import noise_for
from edgellm.train.ragged import Rows
from edgellm.train.rows import Row, Unit, tokens_of

ANCHORS_TOGETHER = 4
"""Anchors that are read at a time before anything learns: what they share is computed once for each such part."""
Gradients = dict[str, object]
U = TypeVar("U", bound=Unit)
U_co = TypeVar("U_co", bound=Unit, covariant=True)


@dataclass(frozen=True, slots=True)
class Share(Generic[U_co]):
    """One computation's part of a step: units to learn from, and anchors beside them."""

    units: Sequence[U_co]
    anchors: Sequence[Row] = ()

    @property
    def anchored(self) -> int:
        """Positions of the anchors."""
        return sum(anchor.targets for anchor in self.anchors)

    @property
    def tokens(self) -> int:
        """Tokens of units and anchors."""
        return sum(map(tokens_of, self.units)) + sum(map(tokens_of, self.anchors))


class Objective(Generic[U]):
    """Losses of a model and their gradients. Reads the base's opinion of the anchors before anything has learnt."""

    def __init__(
        self,
        model: Decoder,
        goal: Goal[U],
        anchors: Sequence[Row],
        anchor_weight: float,
        noise: float = 0.0,
        *,
        note: Callable[[int, float], None] = lambda _tokens, _seconds: None,
    ) -> None:
        """`note` is told how long it took to read so many of the anchors' tokens, part by part."""
        self._note = note
        self._model, self._goal, self._anchor_weight, self._noise = model, goal, anchor_weight, noise
        self._base = self._read_anchors(anchors)
        self._below = Below(model, 0, 0)

    def keep_below(self, layers: int, budget_bytes: int) -> None:
        """The lowest `layers` do not learn: keep what they make of each row, which is read without noise then."""
        self._below = Below(self._model, layers, budget_bytes)

    def measure(self, units: Sequence[U], whole: Sequence[U], baseline: float = 0.0) -> mx.array:
        """The loss and the goal's measures, as these units' part of the mean over `whole`."""
        return self._goal.parts(self._losses(self._goal.rows(units)), units, whole, baseline)

    def baseline(self, units: Sequence[U], whole: Sequence[U]) -> mx.array:
        """These units' part of the number that the goal needs of the whole step, a scalar."""
        rows = self._goal.surveyed(units)
        if not rows:
            return mx.array(0.0)
        draw_masks(self._model)
        return self._goal.baseline(self._losses(rows), units, whole)

    def straying(self, anchors: Sequence[Row]) -> mx.array:
        """Mean divergence from the base over the positions of some anchors, a scalar."""
        batch = make_batch(anchors)
        x = self._read(self._below.enter(anchors, batch), batch.rows, batch.positions)
        return divergence(self._model, x, self._opinions(anchors)) / len(batch.targets)

    def gradients(self, share: Share[U], whole: Share[U], baseline: float = 0.0) -> tuple[mx.array, Gradients]:
        """(loss, straying on the anchors, the goal's measures), each as this share's part of the whole step's mean;
        gradients.

        Parts of all shares add up: the step's mean is exact, however it was divided.
        """
        rows = self._goal.rows(share.units)
        everyone = (*rows, *share.anchors)
        batch = make_batch(everyone)
        entering = self._below.enter(everyone, batch)
        targets = sum(row.targets for row in rows)
        opinion = self._opinions(share.anchors) if share.anchors else None
        draw_masks(self._model)

        def objective(model: Decoder) -> tuple[mx.array, mx.array]:
            start = entering if self._below.layers else self._embedded(model, batch, len(rows))
            x = self._read(start, batch.rows, batch.positions)
            parts = mx.zeros(1 + len(self._goal.names))
            if rows:
                losses = token_losses(model, x[:targets], batch.targets[:targets])
                parts = self._goal.parts(losses, share.units, whole.units, baseline)
            straying = mx.array(0.0)
            if opinion is not None:
                straying = divergence(model, x[targets:], opinion) / whole.anchored
            found = mx.concatenate([parts[:1], straying[None], parts[1:]])
            return parts[0] + self._anchor_weight * straying, found

        (_, parts), gradients = nn.value_and_grad(self._model, objective)(self._model)
        return parts, gradients

    def _losses(self, rows: Sequence[Row]) -> mx.array:
        """-log p of each target of the rows, (positions,)."""
        batch = make_batch(rows)
        x = self._read(self._below.enter(rows, batch), batch.rows, batch.positions)
        return token_losses(self._model, x, batch.targets)

    def _embedded(self, model: Decoder, batch: Batch, rows: int) -> mx.array:
        """What the first layer reads: (tokens, width)."""
        x = model.embed(batch.tokens)
        return x + noise_for(batch.rows.layout, rows, x.shape[1], self._noise) if self._noise else x

    def _read(self, x: mx.array, rows: Rows, positions: mx.array) -> mx.array:
        return self._model.normed(self._model.run(x, rows, first=self._below.layers)[positions])

    def _opinions(self, anchors: Sequence[Row]) -> mx.array:
        return mx.concatenate([self._base[anchor] for anchor in anchors])

    def _read_anchors(self, anchors: Sequence[Row]) -> dict[Row, mx.array]:
        """What the base's head reads at each anchor's positions: (positions, width)."""
        read: dict[Row, mx.array] = {}
        for at in range(0, len(anchors), ANCHORS_TOGETHER):
            began, part = time.monotonic(), anchors[at : at + ANCHORS_TOGETHER]
            batch = make_batch(part)
            x = self._model.run(self._model.embed(batch.tokens), batch.rows)
            opinions = mx.stop_gradient(self._model.normed(x[batch.positions]))
            read |= zip(part, by_row(opinions, part), strict=True)
            mx.eval(read)
            if at:  # the first part waits for compiled kernels, which says nothing of threads
                self._note(sum(map(tokens_of, part)), time.monotonic() - began)
        return read
