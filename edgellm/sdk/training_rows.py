"""From a dataset to rows of tokens: rendered and tokenized by the engine that will serve the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    reader = _Reader(worker, settings.context_tokens)
    train = tuple(reader.rows(dataset.rows("train")))
    if not train:
        raise DataRejected(
            f"The dataset {dataset.name!r} has no row that can be learnt from{reader.reason}.",
            hint="Rows need an assistant's answer, or plain text.",
        )
    return RowSets(
        train=train,
        valid=tuple(reader.rows(dataset.rows("valid"))),
        probe=_probe(worker, dataset, settings.context_tokens),
        cut=reader.cut,
        left_out=reader.left_out,
        left_out_why=reader.why,
    )


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


@dataclass
class _Reader:
    """Makes rows of tokens, and counts what is lost."""

    worker: Worker
    context_tokens: int
    cut: int = 0
    left_out: int = 0
    why: str = ""

    @property
    def reason(self) -> str:
        """Why the first conversation was left out, to end a sentence with."""
        return f": {self.why.rstrip('.')}" if self.why else ""

    def rows(self, rows: Iterator[object]) -> Iterator[Row]:
        for batch in _batched(rows):
            chats = [row.messages for row in batch if isinstance(row, ChatRow)]
            for made in self.worker.training_rows(chats):
                if isinstance(made, str):
                    self._leave_out(made)
                else:
                    yield from self._cut(made)
            for row in batch:
                if not isinstance(row, ChatRow):
                    yield from _text_rows(self.worker, row.text, self.context_tokens)  # type: ignore[attr-defined]

    def _cut(self, made: Sequence[TrainingRow]) -> Iterator[Row]:
        cut = [Row(row.tokens, row.supervised).cut(self.context_tokens) for row in made]
        if not any(row.targets for row in cut):
            self._leave_out(f"Its question alone fills the context of {self.context_tokens} tokens.")
        elif any(len(row.tokens) > self.context_tokens for row in made):
            self.cut += 1
        yield from (row for row in cut if row.targets)

    def _leave_out(self, why: str) -> None:
        self.left_out += 1
        self.why = self.why or why


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
