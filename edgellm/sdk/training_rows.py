"""From a dataset to rows of tokens: rendered and tokenized by the engine that will serve the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

from edgellm.data.dataset import Dataset
from edgellm.data.rows import ChatRow
from edgellm.engine.supervisor import Worker
from edgellm.engine.wire import TrainingRow
from edgellm.errors import DataRejected
from edgellm.train.rows import Probe, Row, RowSets
from edgellm.train.settings import TrainSettings

BATCH = 64
T = TypeVar("T")


def tokenized(dataset: Dataset, worker: Worker, settings: TrainSettings) -> RowSets:
    """All rows of a dataset as the model reads them.

    Raises: DataRejected when nothing can be learnt from the dataset, errors of the worker.
    """
    train = tuple(_rows(worker, dataset.rows("train"), settings))
    if not train:
        raise DataRejected(
            f"The dataset {dataset.name!r} has no row that can be learnt from.",
            hint="Rows need an assistant's answer, or plain text.",
        )
    valid = tuple(_rows(worker, dataset.rows("valid"), settings))
    return RowSets(train=train, valid=valid, probe=_probe(worker, dataset, settings.context_tokens))


def _probe(worker: Worker, dataset: Dataset, context_tokens: int) -> Probe | None:
    """The question of the first conversation, as it is asked when the model is served."""
    first = next((row for row in dataset.rows("train") if isinstance(row, ChatRow)), None)
    if first is None:
        return None
    made = next(iter(worker.training_rows([first.messages])), "")
    asked = [message.content for message in first.messages if message.role == "user"]
    if isinstance(made, str) or not asked or not (start := made[0].supervised[0][0]) < context_tokens:
        return None
    return Probe(asked[0], tuple(made[0].tokens[:start]))


def _rows(worker: Worker, rows: Iterator[object], settings: TrainSettings) -> Iterator[Row]:
    for batch in _batched(rows):
        chats = [row.messages for row in batch if isinstance(row, ChatRow)]
        for made in worker.training_rows(chats):
            if not isinstance(made, str):  # rows without an answer were counted when the dataset was built
                yield from _cut(made, settings.context_tokens)
        for row in batch:
            if not isinstance(row, ChatRow):
                yield from _text_rows(worker, row.text, settings.context_tokens)  # type: ignore[attr-defined]


def _cut(made: Sequence[TrainingRow], context_tokens: int) -> Iterator[Row]:
    for row in made:
        cut = Row(row.tokens, row.supervised).cut(context_tokens)
        if cut.targets:
            yield cut


def _text_rows(worker: Worker, text: str, context_tokens: int) -> Iterator[Row]:
    """Plain text in pieces of the context, every token but a piece's first to be predicted."""
    tokens = [token.id for token in worker.tokenize(text)]
    for at in range(0, len(tokens), context_tokens):
        piece = tuple(tokens[at : at + context_tokens])
        if len(piece) > 1:
            yield Row(piece, ((1, len(piece)),))


def _batched(rows: Iterator[T]) -> Iterator[list[T]]:
    while batch := list(islice(rows, BATCH)):
        yield batch
