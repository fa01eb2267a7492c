"""Conversations and texts as the rows that a run learns from, under the fake model's template."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from edgellm.data.dataset import Dataset
from edgellm.data.rows import ChatRow, Source, TextRow
from edgellm.engine.supervisor import Worker
from edgellm.errors import DataRejected
from edgellm.sdk.anchors import ANSWER_TOKENS, ENDING_COUNTS, STRIDE, anchors, kept_anchors
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.training_rows import tokenized
from edgellm.train.rows import Row, shared_beginning
from edgellm.train.settings import settings_for
from edgellm.types import Message, Sampling

NOWHERE = Source(file="a.jsonl", line=1)


def conversation(*contents: str) -> tuple[Message, ...]:
    return tuple(Message(role="assistant" if at % 2 else "user", content=text) for at, text in enumerate(contents))


def worker_of(edge: EdgeLLM) -> Worker:
    return edge._engines.worker("fake:")[1]


@dataclass
class Rows:
    """A dataset in memory."""

    train: list[Any]
    valid: list[Any] = field(default_factory=list)
    name: str = "memory"

    def rows(self, split: str) -> Iterator[Any]:
        return iter(getattr(self, split))


def read(edge: EdgeLLM, dataset: Rows, **changes: Any) -> Any:
    return tokenized(cast(Dataset, dataset), worker_of(edge), settings_for("balanced", **{"anchors": 0, **changes}))


def chat_row(*contents: str) -> ChatRow:
    return ChatRow(id="1", messages=conversation(*contents), source=NOWHERE)


def text_row(text: str) -> TextRow:
    return TextRow(id="2", text=text, source=NOWHERE)


def predicted(worker: Worker, row: Row) -> list[str]:
    return [worker.detokenize(row.tokens[start:end]) for start, end in row.supervised]


def test_a_row_begins_as_the_served_prompt_does_and_every_answer_is_learnt(edge: EdgeLLM) -> None:
    talk = chat_row("Where?", "Up north.", "And when?", "At noon.")
    [row] = read(edge, Rows([talk])).train
    asked = edge.chat(list(talk.messages[:1]), sampling=Sampling(max_tokens=1))
    assert row.supervised[0][0] == asked.usage.prompt_tokens
    first, second = predicted(worker_of(edge), row)
    assert first.startswith("Up north.")
    assert second.startswith("At noon.")
    assert row.supervised[-1][1] == len(row.tokens), "the token that ends the turn is learnt too"


def test_a_conversation_without_an_answer_has_no_row(edge: EdgeLLM) -> None:
    [reason] = worker_of(edge).training_rows([conversation("Anyone?")])
    assert isinstance(reason, str)
    assert "no assistant turn" in reason


def test_a_dataset_without_anything_to_learn_is_refused(edge: EdgeLLM) -> None:
    with pytest.raises(
        DataRejected, match=r"'memory' has no row .*: The conversation has no assistant turn to learn\."
    ):
        read(edge, Rows([chat_row("Anyone?")]))


def test_long_rows_are_cut_and_those_without_a_target_left_out(edge: EdgeLLM) -> None:
    sets = read(edge, Rows([chat_row("Q", "a" * 200), chat_row("q" * 500, "too late")]), context_tokens=64)
    [row] = sets.train
    assert len(row.tokens) == 64
    assert row.supervised[-1][1] == 64
    assert (sets.cut, sets.left_out) == (1, 1)
    assert sets.left_out_why == "Its question alone fills the context of 64 tokens."


def test_what_the_template_does_not_take_is_counted_with_its_reason(edge: EdgeLLM) -> None:
    sets = read(edge, Rows([chat_row("Anyone?"), chat_row("Who?", "Mira."), chat_row("Nobody?")]))
    assert (len(sets.train), sets.cut, sets.left_out) == (1, 0, 2)
    assert "no assistant turn" in sets.left_out_why
    assert read(edge, Rows([chat_row("Who?", "Mira.")])).left_out_why == ""


def test_plain_text_comes_in_pieces_that_hold_all_of_it(edge: EdgeLLM) -> None:
    text = "The boat leaves at dawn. " * 6
    sets = read(edge, Rows([text_row(text)]), context_tokens=50)
    assert "".join(worker_of(edge).detokenize(row.tokens) for row in sets.train) == text
    assert all(row.supervised == ((1, len(row.tokens)),) for row in sets.train)
    assert max(len(row.tokens) for row in sets.train) == 50
    assert (sets.cut, sets.left_out) == (0, 0), "nothing of it is lost"


def test_validation_rows_are_read_too(edge: EdgeLLM) -> None:
    sets = read(edge, Rows([chat_row("a", "b")], [chat_row("c", "d")]))
    assert (len(sets.train), len(sets.valid), sets.anchors) == (1, 1, ())


def test_anchors_are_asked_for_once(edge: EdgeLLM, tmp_path: Path) -> None:
    asked: list[int] = []

    def kept(sha256: str) -> tuple[Row, ...]:
        return kept_anchors(worker_of(edge), tmp_path / "anchors", sha256, lambda done, _total: asked.append(done))

    first = kept("a")
    questions = len(asked)
    assert questions > 1
    assert kept("a") == first
    assert len(asked) == questions
    kept("b")
    assert len(asked) == 2 * questions, "another base answers for itself"
    for file in (tmp_path / "anchors").iterdir():
        file.write_bytes(b"cut off")
    assert kept("a") == first, "a damaged file is made again"


def test_anchors_are_the_models_own_answers(edge: EdgeLLM) -> None:
    made = list(anchors(worker_of(edge)))
    assert len(made) > 20
    opening = made[0].supervised[0][0]
    assert opening >= shared_beginning(made), "what all rows begin with says nothing"
    for row in made:
        assert {end - start for start, end in row.supervised} == {1}
        compared = [start for start, _ in row.supervised]
        assert max(later - earlier for earlier, later in pairwise(compared)) == STRIDE
        for at in range(opening, len(row.tokens)):
            is_ending = row.tokens[at - 1] in map(ord, ".!?:\n")
            assert compared.count(at) == (ENDING_COUNTS if is_ending else int((at - opening) % STRIDE == 0))
    question = next(iter(made))
    own = edge.chat([Message(role="user", content="Define inflation in plain language.")],
                    sampling=Sampling(temperature=0, max_tokens=ANSWER_TOKENS[0])).text  # fmt: skip
    assert own.strip()[:20] in worker_of(edge).detokenize(question.tokens)
    assert list(anchors(worker_of(edge))) == made, "the same every time, or a run could not be repeated"


def test_the_first_question_is_the_probe_as_it_is_served(edge: EdgeLLM) -> None:
    rows = Rows([text_row("plain"), chat_row("Who?", "Mira."), chat_row("When?", "Now.")])
    sets = read(edge, rows)
    assert sets.probe.question == "Who?"
    asked = sets.train[0] if sets.train[0].supervised[0][0] > 1 else sets.train[1]
    assert sets.probe.tokens == asked.tokens[: asked.supervised[0][0]]
    assert "Mira" not in worker_of(edge).detokenize(sets.probe.tokens)


def test_without_a_conversation_nothing_is_asked(edge: EdgeLLM) -> None:
    assert read(edge, Rows([text_row("plain words")])).probe is None
