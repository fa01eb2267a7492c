"""A step of ours is that of the library's optimizer."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx import optimizers
from mlx.utils import tree_flatten

from edgellm.train.optimizer import make_optimizer
from edgellm.train.settings import TrainSettings

Tree = dict[str, Any]
RATES = (0.1, 0.03, 0.01)


def drawn(seed: int, size: float = 1.0) -> Tree:
    """Arrays, nested as a model nests them."""
    mx.random.seed(seed)
    return {"blk": [{"a": size * mx.random.normal((5, 3)), "norm": {}}, {"a": size * mx.random.normal((3, 7)).T}]}


def stepped(optimizer: optimizers.Optimizer) -> Tree:
    """The weights after some steps."""
    weights = drawn(0)
    optimizer.init(weights)
    for seed, rate in enumerate(RATES, 1):
        optimizer.learning_rate = mx.array(rate)
        weights = optimizer.apply_gradients(drawn(seed, size=seed), weights)
    return weights


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adamw_steps_as_the_librarys(decay: float) -> None:
    ours = stepped(make_optimizer(TrainSettings(weight_decay=decay)))
    theirs = stepped(optimizers.AdamW(1.0, weight_decay=decay, bias_correction=True))
    uncorrected = stepped(optimizers.AdamW(1.0, weight_decay=decay))
    found, first = dict(tree_flatten(ours)), dict(tree_flatten(drawn(0)))
    for where, wanted in tree_flatten(theirs):
        np.testing.assert_allclose(found[where], wanted, atol=1e-6, err_msg=where)
        assert np.abs(np.array(found[where]) - np.array(first[where])).max() > 0.01
    assert any(
        np.abs(np.array(found[where]) - np.array(other)).max() > 0.01 for where, other in tree_flatten(uncorrected)
    )
