"""Functions that MLX computes slowly on a CPU: the same numbers, and the same gradients."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest
from mlx import nn

from edgellm.train import numerics

Gated = Callable[[mx.array, mx.array], mx.array]


def drawn(*shape: int, scale: float = 3.0) -> mx.array:
    return mx.random.normal(shape) * scale


def test_exponentials_are_exact_to_a_few_last_digits() -> None:
    x = np.linspace(-86.9, 86.9, 100_001, dtype=np.float32)
    off = np.abs(np.array(numerics.exp(mx.array(x))) / np.exp(x.astype(np.float64)) - 1)
    assert off[np.abs(x) < 1].max() < 3e-7
    assert off.max() < 7e-6


def test_an_exponential_beside_another_never_overflows() -> None:
    scores = mx.array([[1e4, 0.0, -1e4], [-1e30, -1e30, -1e30]])
    weights = numerics.exp_beside(scores, scores.max(axis=-1, keepdims=True))
    np.testing.assert_allclose(np.array(weights), [[1, 0, 0], [1, 1, 1]], atol=1e-37)


def test_what_is_no_number_stays_none() -> None:
    assert np.isnan(np.array(numerics.exp(mx.array([float("nan")])))).all()


def test_softmax_and_its_gradient_are_mlx_s_own() -> None:
    scores, cotangent = drawn(3, 5, 7), drawn(3, 5, 7)
    ours = mx.vjp(numerics.softmax, [scores], [cotangent])
    theirs = mx.vjp(lambda x: mx.softmax(x, axis=-1, precise=True), [scores], [cotangent])
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.array(one[0]), np.array(other[0]), atol=1e-6)


@pytest.mark.parametrize(
    ("ours", "plain"),
    [
        (numerics.swiglu, lambda gate, up: nn.silu(gate) * up),
        (numerics.geglu, lambda gate, up: nn.gelu_approx(gate) * up),
    ],
)
def test_gates_and_their_gradients_are_mlx_s_own(ours: Gated, plain: Gated) -> None:
    gate, up, cotangent = drawn(11, 13), drawn(11, 13), drawn(11, 13)
    made, expected = mx.vjp(ours, [gate, up], [cotangent]), mx.vjp(plain, [gate, up], [cotangent])
    for one, other in zip((*made[0], *made[1]), (*expected[0], *expected[1]), strict=True):
        np.testing.assert_allclose(np.array(one), np.array(other), rtol=1e-5, atol=1e-5)
