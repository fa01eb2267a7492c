"""Adapters on one layer: a new one changes nothing, and rows without a direction break nothing."""

from __future__ import annotations

import mlx.core as mx
import pytest
from mlx import nn
from mlx.utils import tree_flatten

from edgellm.train.lora import DoRALinear, LoRALinear
from edgellm.train.settings import TrainSettings

X = mx.random.normal((5, 8), key=mx.random.key(1))


def linear() -> nn.Linear:
    layer = nn.Linear(8, 6)
    layer.weight[2] = 0.0
    layer.freeze()
    return layer


@pytest.mark.parametrize("kind", [LoRALinear, DoRALinear])
def test_a_new_one_changes_nothing(kind: type[LoRALinear]) -> None:
    base = linear()
    assert mx.allclose(kind(base, TrainSettings(rank=2))(X), base(X), atol=1e-6)


@pytest.mark.parametrize("kind", [LoRALinear, DoRALinear])
def test_a_row_of_zeros_has_gradients_that_are_numbers(kind: type[LoRALinear]) -> None:
    layer = kind(linear(), TrainSettings(rank=2))
    loss, gradients = nn.value_and_grad(layer, lambda layer: (layer(X) ** 2).sum())(layer)
    found = dict(tree_flatten(gradients))
    assert {"lora_a", "lora_b"} <= found.keys()
    assert all(mx.isfinite(each).all() for each in (loss, *found.values()))
