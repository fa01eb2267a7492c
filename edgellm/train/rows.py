"""Token rows to learn from, and the file they wait in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from edgellm.decoding import from_msgpack
from edgellm.errors import InvalidInput
from edgellm.paths import replacing

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One text as tokens."""

    tokens: tuple[int, ...]
    supervised: Spans
    """Stretches [start, end) of tokens that are to be predicted; a start is above 0. One that is there twice counts
    twice."""

    @property
    def targets(self) -> int:
        """How many tokens are to be predicted."""
        return sum(end - start for start, end in self.supervised)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The row alone, as a unit."""
        return (self,)

    def cut(self, tokens: int) -> Row:
        """The row's first `tokens` tokens."""
        spans = tuple((start, min(end, tokens)) for start, end in self.supervised if start < tokens)
        return Row(self.tokens[:tokens], spans)


class Unit(Protocol):
    """What is drawn for a step as a whole: one row, or rows that are compared."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows of it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An answer that was judged, and another one to compare it with; a row holds a prompt and predicts its answer."""

    answer: Row
    """The better one of two, or the one that was judged alone."""
    other: Row
    """The worse one of two; beside an answer that was judged alone, the same prompt with another question's answer."""
    is_good: bool = True
    """The judgement of an answer that was judged alone."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """Both."""
        return (self.answer, self.other)


@dataclass(frozen=True, slots=True)
class Probe:
    """A question that is asked while the model learns."""

    question: str
    tokens: tuple[int, ...]
    """The whole prompt, as the model is served it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSets:
    """Everything one run reads."""

    train: tuple[Row, ...]
    valid: tuple[Row, ...] = ()
    pairs: tuple[Pair, ...] = ()
    """Of preference tuning, in place of `train`."""
    valid_pairs: tuple[Pair, ...] = ()
    anchors: tuple[Row, ...] = ()
    """General texts on which the model is to stay what it was."""
    probe: Probe | None = None
    """None: no row is a conversation."""
    cut: int = 0
    """Conversations whose end is beyond the context."""
    left_out: int = 0
    """Conversations of which nothing can be learnt."""
    left_out_why: str = ""
    """Why not the first of them."""

    @property
    def learnt(self) -> tuple[Unit, ...]:
        """What is learnt from."""
        return self.pairs or self.train

    @property
    def held_out(self) -> tuple[Unit, ...]:
        """What is measured on."""
        return self.valid_pairs if self.pairs else self.valid


def write_rows(path: Path, sets: RowSets) -> None:
    """Store the rows; the file is there complete or not at all."""
    with replacing(path) as file:
        file.write(msgspec.msgpack.encode(sets))


def read_rows(path: Path) -> RowSets:
    """Rows as `write_rows` stored them. Raises: InvalidInput when the file is something else."""
    try:
        return from_msgpack(path.read_bytes(), type=RowSets)
    except (msgspec.MsgspecError, OSError) as error:
        raise InvalidInput(f"{str(path)!r} holds no training rows: {error}.", field="rows") from error


def tokens_of(unit: Unit) -> int:
    """How many tokens its rows have."""
    return sum(len(row.tokens) for row in unit.rows)


def shared_beginning(rows: Sequence[Row]) -> int:
    """How many tokens all rows begin with, at most up to one before the first supervised one."""
    if len(rows) < 2:
        return 0
    most = min(min(row.supervised[0][0] - 1, len(row.tokens) - 1) for row in rows)
    first = rows[0].tokens
    for at in range(most):
        if any(row.tokens[at] != first[at] for row in rows):
            return at
    return max(0, most)
