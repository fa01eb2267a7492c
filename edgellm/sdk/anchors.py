"""General conversations on which a model is held to what it was: the model's own answers, before it learns anything.

Staying close to one's own distribution while learning a new one: Li and Hoiem 2016 (arXiv:1606.09282), and with the
model's own answers Yang et al. 2024 (arXiv:2402.13669). Own answers fit every model and language, and say exactly what
is to be kept: how long it answers, how it begins, when it stops.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from edgellm.decoding import from_json
from edgellm.engine.supervisor import Worker
from edgellm.engine.wire import TrainingRow
from edgellm.errors import InvalidInput
from edgellm.paths import private_dir
from edgellm.train.rows import Row, RowSets, read_rows, write_rows
from edgellm.types import Delta, Message, Sampling

ANSWER_TOKENS = (32, 80)
"""Most tokens of the answers, by turns: what is read in a step costs time, and long ones hold the model to going on."""
STRIDE = 3
"""Every so manyth position is compared: neighbours say much the same, and the head is the costly part."""
ENDINGS = (".", "!", "?", ":", "\n", "\n\n", ".\n", ".\n\n", ":\n", ":\n\n")
"""Behind each of these the position is compared too: there an answer ends or goes on; short rows teach it to end."""
ENDING_COUNTS = 3
"""How often such a position counts: as much as the neighbours that another stands for."""
QUESTIONS = "questions.jsonl"
TOGETHER = 16
"""Questions asked at a time."""
OnProgress = Callable[[int, int], None]
"""Takes how many questions are answered, and how many there are."""


def kept_anchors(worker: Worker, folder: Path, base_sha256: str, on_progress: OnProgress) -> tuple[Row, ...]:
    """The anchors of a base, asked for once and kept in `folder`. Raises: errors of the worker, OSError."""
    identity = f"{base_sha256} {ANSWER_TOKENS} {STRIDE} {ENDINGS} {ENDING_COUNTS} {_questions()}"
    path = folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.msgpack"
    if path.exists():
        with suppress(InvalidInput):  # damaged: made again
            return read_rows(path).anchors
    made = tuple(anchors(worker, on_progress))
    private_dir(folder)
    write_rows(path, RowSets(train=(), anchors=made))
    return made


def anchors(worker: Worker, on_progress: OnProgress = lambda _done, _total: None) -> Iterator[Row]:
    """Rows whose positions, from the question's first word on, are compared. Raises: errors of the worker."""
    answered = list(_answered(worker, _questions(), on_progress))
    found = worker.training_rows([chat for chat, _ in answered])
    made = [
        (row, most)
        for rows, (_, most) in zip(found, answered, strict=True)
        if not isinstance(rows, str)
        for row in rows
    ]
    opening = max(1, _common([row for row, _ in made])) if made else 1  # who answers nothing is held to nothing
    endings = {tokens[-1].id for ending in ENDINGS if (tokens := worker.tokenize(f"so{ending}"))}
    for row, most in made:
        end = min(row.supervised[0][0] + most, len(row.tokens))
        yield Row(row.tokens[:end], tuple(_compared(row.tokens[:end], opening, endings)))


def _compared(tokens: Sequence[int], opening: int, endings: Container[int]) -> Iterator[tuple[int, int]]:
    """Each position that is compared, as often as it counts."""
    for at in range(opening, len(tokens)):
        count = ENDING_COUNTS if tokens[at - 1] in endings else int((at - opening) % STRIDE == 0)
        yield from [(at, at + 1)] * count


def _questions() -> list[str]:
    lines = files("edgellm.train").joinpath(QUESTIONS).read_bytes().splitlines()
    return [from_json(line, type=str) for line in lines]


def _answered(worker: Worker, questions: Sequence[str], on_progress: OnProgress) -> Iterator[tuple[list[Message], int]]:
    """Each question with its answer, and how many tokens that may have."""
    asked = list(zip(questions, itertools.cycle(ANSWER_TOKENS), strict=False))
    for at in range(0, len(asked), TOGETHER):
        on_progress(at, len(asked))
        part = [([Message(role="user", content=question)], most) for question, most in asked[at : at + TOGETHER]]
        streams = [worker.chat(chat, sampling=Sampling(temperature=0.0, max_tokens=most)) for chat, most in part]
        for (chat, most), stream in zip(part, streams, strict=True):
            text = "".join(event.text for event in stream if isinstance(event, Delta)).strip()
            if text:
                yield [*chat, Message(role="assistant", content=text)], most


def _common(rows: Sequence[TrainingRow]) -> int:
    """Tokens that all rows begin with."""
    shortest, longest = min(row.tokens for row in rows), max(row.tokens for row in rows)
    pairs = zip(shortest, longest, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), len(shortest))
