"""Exponentials for MLX's CPU backend, which computes its own one number at a time.

`mx.exp`, `mx.sigmoid` and `mx.softmax` take 18 ns a number on an x86 processor (mlx 0.32.4): in a small transformer's
layer more than the matrix products. A polynomial in plain multiplications and additions, which MLX does compute in
vectors, gives the same float32 numbers within 3e-7. On a GPU the library's own functions are used.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import mlx.core as mx

ON_CPU = mx.default_device() == mx.cpu

_COEFFICIENTS = tuple(math.log(2) ** n / math.factorial(n) for n in range(7))
"""2**f for |f| <= 0.5 as a Taylor polynomial; its rest is 0.35**7 / 7! = 1.2e-7."""
_LOWEST = -87.0
"""exp() of anything less is no normal float32."""


def _exp(x: mx.array) -> mx.array:
    powers = mx.clip(x, _LOWEST, -_LOWEST) * math.log2(math.e)
    whole = mx.round(powers)
    fraction = powers - whole
    value = mx.array(_COEFFICIENTS[-1], mx.float32)
    for coefficient in reversed(_COEFFICIENTS[:-1]):
        value = value * fraction + coefficient
    return value * ((whole.astype(mx.int32) + 127) << 23).view(mx.float32)


exp: Callable[[mx.array], mx.array] = mx.compile(_exp) if ON_CPU else mx.exp
"""e**x, any shape, float32. Values beyond +-87 are cut to them. Has no gradient on a CPU: the functions below have."""


@mx.custom_function
def _softmax(scores: mx.array) -> mx.array:
    weights = exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


@_softmax.vjp
def _softmax_vjp(_scores: mx.array, cotangent: mx.array, weights: mx.array) -> mx.array:
    return weights * (cotangent - (cotangent * weights).sum(axis=-1, keepdims=True))


def softmax(scores: mx.array) -> mx.array:
    """Softmax over the last axis, any shape."""
    if not ON_CPU:
        return mx.softmax(scores, axis=-1, precise=True)
    weights: mx.array = _softmax(scores)  # type: ignore[assignment]  # mlx's decorator hides the type
    return weights


@mx.custom_function
def _sigmoid(x: mx.array) -> mx.array:
    return 1 / (1 + exp(-x))


@_sigmoid.vjp
def _sigmoid_vjp(_x: mx.array, cotangent: mx.array, value: mx.array) -> mx.array:
    return cotangent * value * (1 - value)


def sigmoid(x: mx.array) -> mx.array:
    """1 / (1 + e**-x), any shape."""
    if not ON_CPU:
        return mx.sigmoid(x)
    value: mx.array = _sigmoid(x)  # type: ignore[assignment]  # mlx's decorator hides the type
    return value


def silu(x: mx.array) -> mx.array:
    """SiLU (Elfwing et al. 2017, arXiv:1702.03118), any shape."""
    return x * sigmoid(x)


def gelu(x: mx.array) -> mx.array:
    """GELU by its tanh approximation (Hendrycks and Gimpel 2016, arXiv:1606.08415), any shape."""
    return x * sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x * x * x))
