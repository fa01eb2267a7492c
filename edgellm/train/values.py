"""Arrays as Python's own numbers, computed now."""

from __future__ import annotations

import mlx.core as mx


def number(value: mx.array) -> float:
    """A scalar array's value."""
    found: float = value.item()  # type: ignore[assignment]  # never complex here
    return found


def numbers(values: mx.array) -> list[float]:
    """The values of an array of one dimension."""
    found: list[float] = values.tolist()  # type: ignore[assignment]  # never complex here
    return found
