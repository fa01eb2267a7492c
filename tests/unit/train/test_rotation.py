"""Our rotation against MLX's own."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from edgellm.train.architecture import Rope
from edgellm.train.rotation import rotation

WIDTH, TOKENS = 16, 9


def turned(rope: Rope, x: mx.array, factors: mx.array | None = None, first: int = 0) -> mx.array:
    return rotation(rope, list(range(first, first + TOKENS)), WIDTH, factors)(x)


@pytest.mark.parametrize("is_interleaved", [True, False])
@pytest.mark.parametrize("dimensions", [8, WIDTH])
@pytest.mark.parametrize(("scale", "first"), [(1.0, 0), (0.25, 7)])
def test_numbers_turn_as_mlx_turns_them(is_interleaved: bool, dimensions: int, scale: float, first: int) -> None:
    rope = Rope(dimensions=dimensions, base=10_000.0, is_interleaved=is_interleaved, scale=scale)
    x = mx.random.normal((TOKENS, 3, WIDTH))
    theirs = mx.fast.rope(
        x.swapaxes(0, 1)[None], dimensions, traditional=is_interleaved, base=rope.base, scale=scale, offset=first
    )
    np.testing.assert_allclose(turned(rope, x, first=first), theirs[0].swapaxes(0, 1), atol=1e-5)


def test_factors_divide_frequencies() -> None:
    rope = Rope(dimensions=WIDTH, base=10_000.0, is_interleaved=False)
    x, factors = mx.random.normal((TOKENS, 2, WIDTH)), mx.linspace(1, 8, WIDTH // 2)
    freqs = factors * rope.base ** (mx.arange(0, WIDTH, 2) / WIDTH)
    theirs = mx.fast.rope(x.swapaxes(0, 1)[None], WIDTH, traditional=False, base=None, scale=1.0, offset=0, freqs=freqs)
    np.testing.assert_allclose(turned(rope, x, factors), theirs[0].swapaxes(0, 1), atol=1e-5)


def test_magnitude_touches_only_what_turns() -> None:
    rope = Rope(dimensions=8, base=10_000.0, is_interleaved=False, magnitude=2.0)
    x = mx.random.normal((TOKENS, 1, WIDTH))
    out = turned(rope, x)
    np.testing.assert_array_equal(out[..., 8:], x[..., 8:])
    np.testing.assert_allclose(
        mx.linalg.norm(out[..., :8], axis=-1), 2 * mx.linalg.norm(x[..., :8], axis=-1), rtol=1e-5
    )
