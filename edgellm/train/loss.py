"""Losses at chosen positions, a piece of the vocabulary's logits at a time.

Under a head that does not learn, a loss and its gradient are computed together, so that no logits wait for the backward
pass and no product is computed twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx import nn
from mlx.nn.utils import checkpoint

from edgellm.train.decoder import Decoder
from edgellm.train.numerics import exp_beside
from edgellm.train.plan import CHUNK_TOKENS


def token_losses(model: Decoder, x: mx.array, targets: mx.array) -> mx.array:
    """-log p(target) of each position, (positions,). x: normed (positions, width), targets: (positions,)."""
    head = model.frozen_head()
    if head is None:
        return _each(lambda part: _plain(model, targets[part])(x[part]), len(targets))
    return _each(lambda part: _joined(_cross_entropy, x[part], targets[part], head), len(targets))


def _plain(model: Decoder, targets: mx.array) -> Callable[[mx.array], mx.array]:
    """Losses under a head that learns, its logits computed again in the backward pass."""

    def loss(x: mx.array) -> mx.array:
        return nn.losses.cross_entropy(model.logits(x), targets, reduction="none")

    recomputed: Callable[[mx.array], mx.array] = checkpoint(model.head_layer, loss)
    return recomputed


def divergence(model: Decoder, x: mx.array, base_x: mx.array) -> mx.array:
    """Sum of KL(base || model) over positions, a scalar: how far the model strayed from what it was.

    x, base_x: normed (positions, width) of the learning model and of the base, under the same frozen head.
    Learning without forgetting by distillation from the old model: Li and Hoiem 2016, arXiv:1606.09282.
    """
    head = model.frozen_head()
    assert head is not None, "the base's head must not learn"
    return _each(lambda part: _joined(_divergence, x[part], base_x[part], head), len(x)).sum()


Loss = Callable[[mx.array, mx.array, mx.array], tuple[mx.array, mx.array]]
"""(x, what is wanted, head) to each position's loss (positions,) and its gradient by x (positions, width)."""


def _cross_entropy(x: mx.array, targets: mx.array, head: mx.array) -> tuple[mx.array, mx.array]:
    logits = x @ head.T
    most, weights, total = _softmax_parts(logits)
    own = mx.take_along_axis(logits, targets[:, None], axis=-1)
    return (mx.log(total) - (own - most))[:, 0], (weights @ head) / total - head[targets]


def _divergence(x: mx.array, base_x: mx.array, head: mx.array) -> tuple[mx.array, mx.array]:
    base_logits, logits = base_x @ head.T, x @ head.T
    base_most, base_weights, base_total = _softmax_parts(base_logits)
    most, weights, total = _softmax_parts(logits)
    wanted = base_weights / base_total
    apart = (wanted * (base_logits - logits)).sum(axis=-1, keepdims=True)
    loss = apart - (base_most - most) + mx.log(total) - mx.log(base_total)
    return loss[:, 0], (weights / total - wanted) @ head


def _softmax_parts(logits: mx.array) -> tuple[mx.array, mx.array, mx.array]:
    """The largest logits, (positions, 1), the others' exponentials beside them, and the sums of those."""
    most = logits.max(axis=-1, keepdims=True)
    weights = exp_beside(logits, most)
    return most, weights, weights.sum(axis=-1, keepdims=True)


def _joined(loss: Loss, x: mx.array, wanted: mx.array, head: mx.array) -> mx.array:
    """The losses as a function of x alone, whose backward pass only hands out the gradient that is there already."""

    @mx.custom_function
    def both(x: mx.array) -> tuple[mx.array, mx.array]:
        return loss(x, wanted, head)

    @both.vjp
    def backward(_x: Any, cotangents: Any, outputs: Any) -> mx.array:
        return cotangents[0][:, None] * outputs[1]

    value: mx.array = both(x)[0]  # type: ignore[index]  # mlx's decorator hides the type
    return value


def _each(part_losses: Callable[[slice], mx.array], positions: int) -> mx.array:
    parts = [part_losses(slice(at, at + CHUNK_TOKENS)) for at in range(0, positions, CHUNK_TOKENS)]
    return mx.concatenate(parts) if parts else mx.zeros((0,))
