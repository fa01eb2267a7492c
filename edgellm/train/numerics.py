"""Exponentials for MLX's CPU backend, which computes its own one number at a time.

`mx.exp`, `mx.sigmoid` and `mx.softmax` take 18 ns a number on an x86 processor (mlx 0.32.4): in a small transformer's
layer more than the matrix products. A polynomial in plain multiplications and additions, which MLX does compute in
vectors, gives the same numbers, relative to them within 3e-7 near zero and 7e-6 where float32 ends. On a GPU the
library's own functions are used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import mlx.core as mx
from mlx import nn

ON_CPU = mx.default_device() == mx.cpu

_COEFFICIENTS = (1.0, 0.6931469775988, 0.2402224208482, 0.0555073374349, 0.0096715126762, 0.0013264727238)
"""2**f for |f| <= 0.5 as a polynomial: of those of degree 5 that are 1 at 0 the one whose largest error, relative to
2**f, is smallest: 9.2e-8 (found by weighted least squares, Lawson's iteration)."""
_LOWEST = -87.0
"""exp() of anything less is no normal float32."""
_ROUNDER = 1.5 * 2.0**23
"""A float32 near it holds whole numbers only, in its lowest bits: adding it rounds; `mx.round` takes one at a time."""
_ROUNDER_BITS = 0x4B400000
"""The same as an integer."""
_EXPONENT_ZERO = 127
"""What the exponent of 1.0 is stored as."""


def _exp(x: mx.array) -> mx.array:
    powers = mx.clip(x, _LOWEST, -_LOWEST) * math.log2(math.e)
    rounded = powers + _ROUNDER
    fraction = powers - (rounded - _ROUNDER)
    square, (a, b, c, d, e, f) = fraction * fraction, _COEFFICIENTS
    # in pairs, not one after the other: MLX fuses chains of eleven operations at most into one pass
    value = ((f * fraction + e) * square + (d * fraction + c)) * square + (b * fraction + a)
    exponent = rounded.view(mx.int32) + (_EXPONENT_ZERO - _ROUNDER_BITS)
    return value * (exponent << 23).view(mx.float32)


Function = TypeVar("Function", bound=Callable[..., Any])


def at_once(function: Function) -> Function:
    """A function of numbers at the same places, compiled so that a CPU passes over its arrays once."""
    compiled: Function = mx.compile(function) if ON_CPU else function  # type: ignore[assignment]  # same signature
    return compiled


exp: Callable[[mx.array], mx.array] = at_once(_exp) if ON_CPU else mx.exp
"""e**x, any shape, float32. Values beyond +-87 are cut to them. Has no gradient on a CPU: the functions below have."""


@at_once
def exp_beside(x: mx.array, most: mx.array) -> mx.array:
    """e**(x - most): as `exp`."""
    return _exp(x - most) if ON_CPU else mx.exp(x - most)


@mx.custom_function
def _softmax(scores: mx.array) -> mx.array:
    weights = exp_beside(scores, scores.max(axis=-1, keepdims=True))
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


@at_once
def _gated(gate: mx.array, up: mx.array) -> tuple[mx.array, mx.array]:
    share = 1 / (1 + _exp(-gate))
    return gate * up * share, share  # in this order: the other is one operation too long for a single pass


@at_once
def _gated_vjp(gate: mx.array, up: mx.array, share: mx.array, cotangent: mx.array) -> tuple[mx.array, mx.array]:
    activated = gate * share
    return cotangent * up * (share + activated * (1 - share)), cotangent * activated


@mx.custom_function
def _swiglu(gate: mx.array, up: mx.array) -> tuple[mx.array, mx.array]:
    return _gated(gate, up)


@_swiglu.vjp
def _swiglu_vjp(
    read: tuple[mx.array, mx.array], cotangents: tuple[mx.array, mx.array], made: tuple[mx.array, mx.array]
) -> tuple[mx.array, mx.array]:
    return _gated_vjp(*read, made[1], cotangents[0])


def swiglu(gate: mx.array, up: mx.array) -> mx.array:
    """SiLU of the gate times `up` (Shazeer 2020, arXiv:2002.05202), any shape: on a CPU in two passes, not in nine."""
    if not ON_CPU:
        return nn.silu(gate) * up
    gated: mx.array = _swiglu(gate, up)[0]  # type: ignore[index]  # mlx's decorator hides the type
    return gated


def compile_kernels() -> None:
    """Have what these functions take compiled at once; otherwise it is when each of them is first used."""
    some = mx.zeros((2, 3))
    mx.eval(softmax(some), swiglu(some, some))


def geglu(gate: mx.array, up: mx.array) -> mx.array:
    """GELU of the gate, by its tanh approximation (Hendrycks and Gimpel 2016, arXiv:1606.08415), times `up`."""
    return gate * sigmoid(math.sqrt(8 / math.pi) * (gate + 0.044715 * gate * gate * gate)) * up
