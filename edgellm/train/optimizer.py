"""How gradients become steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx import optimizers

from edgellm.train.numerics import at_once
from edgellm.train.settings import TrainSettings

MOMENTUM = 0.9
Tree = dict[str, Any]
"""Arrays by name, as a model nests them."""
Stepping = Callable[[Tree, Tree, Tree, mx.array], tuple[Tree, Tree, mx.array]]
"""(gradients, weights, the optimizer's state, learning rate) to (weights, state, length of the gradient)."""


def make_optimizer(settings: TrainSettings) -> optimizers.Optimizer:
    """The optimizer that the settings name; its learning rate is set before each step."""
    rate, decay = settings.learning_rate, settings.weight_decay
    match settings.optimizer:
        case "adamw":
            return optimizers.AdamW(learning_rate=rate, weight_decay=decay, bias_correction=True)
        case "lion":
            return optimizers.Lion(learning_rate=rate, weight_decay=decay)
        case "sgd":
            return optimizers.SGD(learning_rate=rate, weight_decay=decay, momentum=MOMENTUM)


def make_stepping(optimizer: optimizers.Optimizer, clip_norm: float | None) -> Stepping:
    """The optimizer as a function, that clips gradients first; the length is that before clipping.

    Compiled on a CPU: one operation after the other, an adapter's many small arrays are passed over fifteen times.
    """

    def step(gradients: Tree, weights: Tree, state: Tree, rate: mx.array) -> tuple[Tree, Tree, mx.array]:
        clipped, norm = optimizers.clip_grad_norm(gradients, math.inf if clip_norm is None else clip_norm)
        optimizer.state = state
        optimizer.learning_rate = rate
        return optimizer.apply_gradients(clipped, weights), optimizer.state, norm

    return at_once(step)
