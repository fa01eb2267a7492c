"""General conversations on which a model is held to what it was: the model's own answers, before it learns anything.

Staying close to one's own distribution while learning a new one: Li and Hoiem 2016 (arXiv:1606.09282), and with the
model's own answers Yang et al. 2024 (arXiv:2402.13669). Own answers fit every model and language, and say exactly what
is to be kept: how long it answers, how it begins, when it stops.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
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

ANSWER_TOKENS = 48
"""Most tokens of an answer: with 96 each step took a tenth longer."""
STRIDE = 3
"""Every so manyth position is compared: neighbours say much the same, and the head is the costly part."""
ENDINGS = (".", "!", "?", ":", "\n", "\n\n", ".\n", ".\n\n", ":\n", ":\n\n")
"""Behind each of these the position is compared too: there an answer ends or goes on; short rows teach it to end."""
QUESTIONS = "questions.jsonl"
TOGETHER = 14
"""Questions asked at a time."""
OnProgress = Callable[[int, int], None]
"""Takes how many questions are answered, and how many there are."""


def kept_anchors(worker: Worker, folder: Path, base_sha256: str, on_progress: OnProgress) -> tuple[Row, ...]:
    """The anchors of a base, asked for once and kept in `folder`. Raises: errors of the worker, OSError."""
    identity = f"{base_sha256} {ANSWER_TOKENS} {STRIDE} {ENDINGS} {_questions()}"
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
    chats = list(_answered(worker, _questions(), on_progress))
    made = [row for rows in worker.training_rows(chats) if not isinstance(rows, str) for row in rows]
    opening = max(1, _common(made)) if made else 1  # a base that answers nothing has nothing to be held to
    endings = {tokens[-1].id for ending in ENDINGS if (tokens := worker.tokenize(f"so{ending}"))}
    for row in made:
        end = min(row.supervised[0][0] + ANSWER_TOKENS, len(row.tokens))
        compared = [at for at in range(opening, end) if (at - opening) % STRIDE == 0 or row.tokens[at - 1] in endings]
        yield Row(row.tokens[:end], tuple((at, at + 1) for at in compared))


def _questions() -> list[str]:
    lines = files("edgellm.train").joinpath(QUESTIONS).read_bytes().splitlines()
    return [from_json(line, type=str) for line in lines]


def _answered(worker: Worker, questions: Sequence[str], on_progress: OnProgress) -> Iterator[list[Message]]:
    sampling = Sampling(temperature=0.0, max_tokens=ANSWER_TOKENS)
    for at in range(0, len(questions), TOGETHER):
        on_progress(at, len(questions))
        asked = [[Message(role="user", content=question)] for question in questions[at : at + TOGETHER]]
        streams = [worker.chat(messages, sampling=sampling) for messages in asked]
        for messages, stream in zip(asked, streams, strict=True):
            text = "".join(event.text for event in stream if isinstance(event, Delta)).strip()
            if text:
                yield [*messages, Message(role="assistant", content=text)]


def _common(rows: Sequence[TrainingRow]) -> int:
    """Tokens that all rows begin with."""
    shortest, longest = min(row.tokens for row in rows), max(row.tokens for row in rows)
    pairs = zip(shortest, longest, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), len(shortest))
