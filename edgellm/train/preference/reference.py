"""What the model thought of the answers before it learnt: computed once, kept with the run.

So that no second model is in memory, and a run that goes on compares with the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import mlx.core as mx
import msgspec

from edgellm.decoding import from_msgpack
from edgellm.paths import replacing
from edgellm.train.batch import make_batch
from edgellm.train.decoder import Decoder
from edgellm.train.goal import row_sums
from edgellm.train.loss import token_losses
from edgellm.train.ranks import Ranks
from edgellm.train.rows import Row
from edgellm.train.values import number, numbers

BATCH_TOKENS = 2048
"""Most tokens read at once."""


class _Kept(msgspec.Struct, frozen=True):
    """The file."""

    plan_hash: str
    log_probabilities: tuple[float, ...]


class Reference:
    """log p of rows' targets, each row's summed up."""

    def __init__(self, rows: Sequence[Row], log_probabilities: Sequence[float]) -> None:
        self._of = dict(zip(rows, log_probabilities, strict=True))

    def of(self, rows: Sequence[Row]) -> mx.array:
        """(rows,). Raises: KeyError for a row that was not among them."""
        return mx.array([self._of[row] for row in rows])


def take_reference(model: Decoder, rows: Sequence[Row], file: Path | None, plan_hash: str) -> Reference:
    """The numbers of a model that has not learnt yet; read from the run's file where they are there.

    All processes of a run call it with the same rows, each reads its share of them, and the first one keeps the file
    (None: nothing is kept). A file that is damaged or of another plan is made again. Raises: OSError.
    """
    ranks = Ranks()
    kept = _read(file, plan_hash, len(rows)) if ranks.is_chief and file is not None else None
    has_kept = number(ranks.sum(mx.array(0.0 if kept is None else 1.0))) > 0
    if has_kept:
        own = list(kept or [0.0] * len(rows))
    else:
        own = [0.0] * len(rows)
        own[ranks.own :: ranks.count] = _computed(model, rows[ranks.own :: ranks.count])
    found = numbers(ranks.sum(mx.array(own)))
    if ranks.is_chief and file is not None and not has_kept:
        with replacing(file) as handle:
            handle.write(msgspec.msgpack.encode(_Kept(plan_hash, tuple(found))))
    return Reference(rows, found)


def log_probabilities(model: Decoder, rows: Sequence[Row]) -> mx.array:
    """log p of each row's targets, summed up: (rows,)."""
    batch = make_batch(rows)
    x = model.run(model.embed(batch.tokens), batch.rows)
    return -row_sums(token_losses(model, model.normed(x[batch.positions]), batch.targets), rows)


def _read(file: Path, plan_hash: str, count: int) -> tuple[float, ...] | None:
    with suppress(FileNotFoundError, msgspec.MsgspecError):
        kept = from_msgpack(file.read_bytes(), type=_Kept)
        if kept.plan_hash == plan_hash and len(kept.log_probabilities) == count:
            return kept.log_probabilities
    return None


def _computed(model: Decoder, rows: Sequence[Row]) -> list[float]:
    found: list[float] = []
    for batch in _batches(rows):
        found += numbers(log_probabilities(model, batch))
    return found


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """In order, as many at a time as `BATCH_TOKENS` allow."""
    batch: list[Row] = []
    for row in rows:
        if batch and sum(len(each.tokens) for each in (*batch, row)) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
