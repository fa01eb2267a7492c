"""Rows of different lengths in one batch, with nothing but attention computed on padding.

The tokens of all rows lie one after the other; a beginning that all rows share lies there once. Only attention sees
rows apart: there, rows of similar lengths form a group, padded to the longest of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mlx.core as mx

SIMILAR_TOKENS = 16
"""A row may be padded by so many tokens, or by a quarter of the longest: less than a group of its own would cost."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the rows of a ragged batch lie. `shared` tokens come first, then each row's own."""

    shared: int
    """Tokens that begin every row."""
    own: tuple[int, ...]
    """Tokens of each row after them."""

    @property
    def tokens(self) -> int:
        """Tokens in all."""
        return self.shared + sum(self.own)


class Group:
    """Rows that attend together: `rows` of `length` tokens each, after `shared` ones that they all see."""

    def __init__(self, rows: int, length: int, shared: int) -> None:
        self.rows, self.length, self.shared = rows, length, shared
        self._masks: dict[int | None, mx.array] = {}

    @property
    def slots(self) -> int:
        """Places for tokens, padding included."""
        return self.rows * self.length

    @property
    def seen(self) -> int:
        """How many tokens the last one sees."""
        return self.shared + self.length

    def mask(self, window: int | None) -> mx.array:
        """What is added to scores so that none sees what follows it, or what left its window: (length, seen)."""
        if window not in self._masks:
            distance = mx.arange(self.shared, self.seen)[:, None] - mx.arange(self.seen)[None]
            is_hidden = distance < 0
            if window is not None:
                is_hidden = is_hidden | (distance >= window)
            self._masks[window] = mx.where(is_hidden, mx.array(-1e9, mx.float32), mx.array(0.0, mx.float32))
        return self._masks[window]


class Rows:
    """The groups of a batch, and the moves between the ragged order and theirs."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.first = Group(1, layout.shared, 0) if layout.shared else None
        """The shared beginning as a row of its own."""
        by_length = sorted(range(len(layout.own)), key=lambda row: layout.own[row])
        members = list(_similar(by_length, layout.own))
        self.groups = [Group(len(rows), layout.own[rows[-1]], layout.shared) for rows in members]
        there, back, is_real = _places(members, layout.own)
        self._is_even = there == list(range(len(there)))
        self._there, self._back, self._is_real = mx.array(there), mx.array(back), mx.array(is_real, mx.float32)

    @property
    def positions(self) -> list[int]:
        """Each token's place in its row."""
        shared = self.layout.shared
        return [*range(shared), *(shared + at for length in self.layout.own for at in range(length))]

    def split(self, x: mx.array) -> tuple[mx.array, mx.array]:
        """All tokens (tokens, ...) as the shared ones, which may be none, and the rows' own."""
        if not self.layout.shared:
            return x[:0], x
        shared, own = mx.split(x, [self.layout.shared])
        return shared, own

    def apart(self, own: mx.array) -> list[mx.array]:
        """Own tokens (tokens, heads, size) as each group's (rows, heads, length, size)."""
        slots = own if self._is_even else _padded(own, self._there, self._back)
        ends = [sum(group.slots for group in self.groups[: at + 1]) for at in range(len(self.groups) - 1)]
        parts = mx.split(slots, ends) if ends else [slots]
        return [
            part.reshape(group.rows, group.length, *own.shape[1:]).swapaxes(1, 2)
            for group, part in zip(self.groups, parts, strict=True)
        ]

    def together(self, parts: Sequence[mx.array]) -> mx.array:
        """Each group's (rows, length, size) as own tokens (tokens, size)."""
        slots = mx.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
        return slots if self._is_even else _unpadded(slots, self._there, self._back, self._is_real)


def _similar(by_length: Sequence[int], own: Sequence[int]) -> Iterator[list[int]]:
    """Row numbers, longest last, in groups that need little padding."""
    group: list[int] = []
    for row in reversed(by_length):
        if group and own[group[-1]] - own[row] > max(SIMILAR_TOKENS, own[group[-1]] // 4):
            yield group
            group = []
        group = [row, *group]
    yield group


def _places(members: Sequence[Sequence[int]], own: Sequence[int]) -> tuple[list[int], list[int], list[bool]]:
    """For each slot the token in it, for each token its slot, and which slots hold more than padding.

    Padding repeats a row's last token.
    """
    starts = [sum(own[:row]) for row in range(len(own))]
    there: list[int] = []
    is_real: list[bool] = []
    back = [0] * sum(own)
    for rows in members:
        longest = own[rows[-1]]
        for row in rows:
            for at in range(own[row]):
                back[starts[row] + at] = len(there) + at
            there += [starts[row] + min(at, own[row] - 1) for at in range(longest)]
            is_real += [at < own[row] for at in range(longest)]
    return there, back, is_real


def _padded(own: mx.array, there: mx.array, back: mx.array) -> mx.array:
    """Tokens to slots. Nothing depends on padding, so that its gradient, which is zero, need not be added up."""

    @mx.custom_function
    def move(x: mx.array) -> mx.array:
        return x[there]

    @move.vjp
    def backward(_x: mx.array, cotangent: mx.array, _output: mx.array) -> mx.array:
        return cotangent[back]

    moved: mx.array = move(own)  # type: ignore[assignment]  # mlx's decorator hides the type
    return moved


def _unpadded(slots: mx.array, there: mx.array, back: mx.array, is_real: mx.array) -> mx.array:
    """Slots to tokens."""

    @mx.custom_function
    def move(x: mx.array) -> mx.array:
        return x[back]

    @move.vjp
    def backward(_x: mx.array, cotangent: mx.array, _output: mx.array) -> mx.array:
        return cotangent[there] * is_real[:, None]

    moved: mx.array = move(slots)  # type: ignore[assignment]  # mlx's decorator hides the type
    return moved
