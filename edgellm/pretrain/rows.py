"""Passages as rows of the model's context, a few of them held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgellm.pretrain.tokenizer import EDGE_ID
from edgellm.train.rows import Row, RowSets

if TYPE_CHECKING:
    from tokenizers import Tokenizer

HELD_OUT_SHARE = 0.05
HELD_OUT_CHARS = 64_000
"""More is not held out: it would be read at every measurement."""
FEWEST_PASSAGES = 10
"""Of fewer passages all are learnt: one of them would be a large part of what there is."""


def held_out(passages: Sequence[str]) -> int:
    """How many passages, from the first on, are validated on and not learnt."""
    if len(passages) < FEWEST_PASSAGES:
        return 0
    wanted = min(HELD_OUT_SHARE * sum(map(len, passages)), HELD_OUT_CHARS)
    count = chars = 0
    while chars < wanted:
        chars += len(passages[count])
        count += 1
    return count


def make_rows(passages: Sequence[str], tokenizer: Tokenizer, context_tokens: int) -> RowSets:
    """Rows of `context_tokens` tokens; every token but the first of all is predicted once an epoch."""
    kept = held_out(passages)
    return RowSets(
        train=tuple(_rows(_stream(passages[kept:], tokenizer), context_tokens)),
        valid=tuple(_rows(_stream(passages[:kept], tokenizer), context_tokens)) if kept else (),
    )


def _stream(passages: Sequence[str], tokenizer: Tokenizer) -> list[int]:
    """The passages one after the other, an edge before each and after the last."""
    stream = [EDGE_ID]
    for encoding in tokenizer.encode_batch_fast(list(passages), add_special_tokens=False):
        stream += encoding.ids
        stream.append(EDGE_ID)
    return stream


def _rows(stream: Sequence[int], context_tokens: int) -> Iterator[Row]:
    """The last token of a row is the first of the next."""
    for at in range(0, len(stream) - 1, context_tokens - 1):
        tokens = tuple(stream[at : at + context_tokens])
        yield Row(tokens, ((1, len(tokens)),))
