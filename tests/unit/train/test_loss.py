"""The losses against plain formulas, with their gradients, over more positions than one piece."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from mlx import nn

from edgellm.train import loss
from edgellm.train.decoder import Decoder
from tests.unit.train.tiny import SHAPE, tiny_decoder

POSITIONS = 21


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "CHUNK_TOKENS", 8)


def sample() -> tuple[mx.array, mx.array, mx.array]:
    mx.random.seed(1)
    x, base = mx.random.normal((2, POSITIONS, SHAPE.width))
    return x, base, mx.random.randint(0, SHAPE.vocabulary, (POSITIONS,))


def plain_divergence(model: Decoder, x: mx.array, base: mx.array) -> mx.array:
    mine, theirs = nn.log_softmax(model.logits(x)), nn.log_softmax(model.logits(base))
    total: mx.array = (mx.exp(theirs) * (theirs - mine)).sum()
    return total


def test_cross_entropy() -> None:
    model = tiny_decoder()
    x, _, targets = sample()
    value, gradient = mx.value_and_grad(lambda x: loss.token_losses(model, x, targets).sum())(x)
    wanted, theirs = mx.value_and_grad(lambda x: nn.losses.cross_entropy(model.logits(x), targets, reduction="sum"))(x)
    np.testing.assert_allclose(value, wanted, rtol=1e-5)
    np.testing.assert_allclose(gradient, theirs, atol=1e-4)


def test_cross_entropy_under_a_head_that_learns() -> None:
    model = tiny_decoder()
    model.unfreeze()
    assert model.frozen_head() is None
    x, _, targets = sample()

    def ours(model: Decoder) -> mx.array:
        return loss.token_losses(model, x, targets).sum()

    def theirs(model: Decoder) -> mx.array:
        total: mx.array = nn.losses.cross_entropy(model.logits(x), targets, reduction="sum")
        return total

    (value, gradient), (wanted, expected) = (
        nn.value_and_grad(model, ours)(model),
        nn.value_and_grad(model, theirs)(model),
    )
    np.testing.assert_allclose(value, wanted, rtol=1e-5)
    np.testing.assert_allclose(gradient["token_embd"]["weight"], expected["token_embd"]["weight"], atol=1e-4)


def test_divergence() -> None:
    model = tiny_decoder()
    x, base, _ = sample()
    value, gradient = mx.value_and_grad(lambda x: loss.divergence(model, x, base))(x)
    wanted, theirs = mx.value_and_grad(lambda x: plain_divergence(model, x, base))(x)
    np.testing.assert_allclose(value, wanted, rtol=1e-5)
    np.testing.assert_allclose(gradient, theirs, atol=1e-4)


def test_who_has_not_strayed_has_no_divergence_and_no_gradient() -> None:
    model = tiny_decoder()
    x, _, _ = sample()
    value, gradient = mx.value_and_grad(lambda y: loss.divergence(model, y, x))(x)
    assert abs(value.item()) < 1e-4
    np.testing.assert_allclose(gradient, mx.zeros_like(gradient), atol=1e-5)


def test_nothing_to_predict_costs_nothing() -> None:
    model = tiny_decoder()
    assert loss.token_losses(model, mx.zeros((0, SHAPE.width)), mx.zeros((0,), mx.int32)).sum().item() == 0
