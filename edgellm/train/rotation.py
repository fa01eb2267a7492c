"""Rotary position embedding (Su et al. 2021, arXiv:2104.09864) as two products for all layers of a batch.

Turning a pair (a, b) by an angle is (a, b) * cos + (-b, a) * sin. The second operand comes from a product with a matrix
of 0 and +-1, which costs less than taking pairs apart and joining them; sines are computed once a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx

from edgellm.train.architecture import Rope


@dataclass(frozen=True, slots=True)
class Rotation:
    """The angles of a batch."""

    cos: mx.array
    """(tokens, 1, head width); 1 where nothing turns."""
    sin: mx.array
    """(tokens, 1, head width); 0 where nothing turns."""
    partner: mx.array
    """(head width, head width): a product with it puts each number's partner in its place, signed."""

    def __call__(self, x: mx.array) -> mx.array:
        """(tokens, heads, head width) turned to the tokens' positions."""
        return x * self.cos + (x @ self.partner) * self.sin


def rotation(rope: Rope, positions: list[int], width: int, factors: mx.array | None) -> Rotation:
    """The rotation of heads of `width` at these positions. `factors`: (dimensions / 2,), divide the frequencies."""
    places = _pairs(rope)
    frequencies = rope.base ** (-mx.arange(0, rope.dimensions, 2, dtype=mx.float32) / rope.dimensions)
    if factors is not None:
        frequencies = frequencies / factors
    angles = (mx.array(positions, mx.float32) * rope.scale)[:, None] * frequencies
    cos = mx.ones((len(positions), width))
    sin = mx.zeros((len(positions), width))
    partner = mx.zeros((width, width))
    first, second = mx.array([a for a, _ in places]), mx.array([b for _, b in places])
    for place in (first, second):
        cos[:, place] = mx.cos(angles) * rope.magnitude
        sin[:, place] = mx.sin(angles) * rope.magnitude
    partner[second, first] = -1.0
    partner[first, second] = 1.0
    return Rotation(cos[:, None], sin[:, None], partner)


def _pairs(rope: Rope) -> list[tuple[int, int]]:
    """Which numbers of a head turn together."""
    half = rope.dimensions // 2
    if rope.is_interleaved:
        return [(2 * i, 2 * i + 1) for i in range(half)]
    return [(i, i + half) for i in range(half)]
