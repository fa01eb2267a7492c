"""A step, compiled as one function, is that of the library's optimizer."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx import optimizers
from mlx.utils import tree_flatten

from edgellm.train.optimizer import make_optimizer, make_stepping
from edgellm.train.settings import OptimizerName, TrainSettings

Tree = dict[str, Any]


def drawn(seed: int, size: float = 1.0) -> Tree:
    """Arrays, nested as a model nests them."""
    mx.random.seed(seed)
    return {"blk": [{"a": size * mx.random.normal((5, 3)), "norm": {}}, {"a": size * mx.random.normal((3, 7))}]}


def plainly(name: OptimizerName, gradients: list[Tree], rates: list[float], clip_norm: float) -> Tree:
    """The weights after some steps, one operation after the other."""
    optimizer, weights = make_optimizer(TrainSettings(optimizer=name, weight_decay=0.1)), drawn(0)
    optimizer.init(weights)
    for gradient, rate in zip(gradients, rates, strict=True):
        clipped, _ = optimizers.clip_grad_norm(gradient, clip_norm)
        optimizer.learning_rate = rate
        weights = optimizer.apply_gradients(clipped, weights)
    return weights


@pytest.mark.parametrize("name", ["adamw", "lion", "sgd"])
@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_steps_are_the_librarys(name: OptimizerName, clip_norm: float | None) -> None:
    gradients, rates = [drawn(seed, size=seed) for seed in (1, 2, 3)], [0.1, 0.03, 0.01]
    optimizer, weights = make_optimizer(TrainSettings(optimizer=name, weight_decay=0.1)), drawn(0)
    optimizer.init(weights)
    stepping, state = make_stepping(optimizer, clip_norm), optimizer.state
    for gradient, rate in zip(gradients, rates, strict=True):
        weights, state, norm = stepping(gradient, weights, state, mx.array(rate))
        length = np.sqrt(sum(float(array.square().sum()) for _, array in list(tree_flatten(gradient))))
        np.testing.assert_allclose(norm, length, rtol=1e-5)
    expected = plainly(name, gradients, rates, np.inf if clip_norm is None else clip_norm)
    for (where, array), (_, wanted) in zip(tree_flatten(weights), tree_flatten(expected), strict=True):
        np.testing.assert_allclose(array, wanted, atol=1e-6, err_msg=where)
        assert np.abs(np.array(array) - np.array(dict(tree_flatten(drawn(0)))[where])).max() > 0.01
