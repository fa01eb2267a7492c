"""First weights, and files of learnt ones, as the trainer opens them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

from edgellm.gguf_header import read_header
from edgellm.pretrain.rows import make_rows
from edgellm.pretrain.shape import Shape
from edgellm.pretrain.tokenizer import open_tokenizer, train_tokenizer, vocabulary_of, write_tokenizer
from edgellm.pretrain.weights import write_first, write_learnt
from edgellm.train.base import open_base
from edgellm.train.goal import Imitation
from edgellm.train.objective import Objective
from tests.unit.pretrain.texts import sentences

PASSAGES = sentences(20_000).split("\n\n")
CONTENT = train_tokenizer(PASSAGES, 400)
SHAPE = Shape(vocabulary=vocabulary_of(CONTENT), layers=2, width=64, context_tokens=64)


@pytest.fixture
def first(tmp_path: Path) -> Path:
    write_first(tmp_path / "first.gguf", "small", SHAPE, write_tokenizer(tmp_path, CONTENT), seed=1)
    return tmp_path / "first.gguf"


def test_the_file_is_what_the_shape_says(first: Path) -> None:
    header = read_header(first)
    assert header.parameters == SHAPE.parameters
    assert header.integer("llama.context_length") == 64
    assert header.text("general.name") == "small"


def test_a_model_that_learnt_nothing_knows_nothing(first: Path) -> None:
    rows = make_rows(PASSAGES, open_tokenizer(CONTENT), 64).valid
    loss = Objective(open_base(first), Imitation(), (), 0.0).measure(rows, rows).item()
    assert loss == pytest.approx(math.log(SHAPE.vocabulary), abs=0.1)


def test_the_same_seed_gives_the_same_weights_and_another_one_does_not(tmp_path: Path, first: Path) -> None:
    vocabulary = write_tokenizer(tmp_path, CONTENT)
    for seed in (1, 2):
        write_first(tmp_path / f"{seed}.gguf", "small", SHAPE, vocabulary, seed)
    assert (tmp_path / "1.gguf").read_bytes() == first.read_bytes() != (tmp_path / "2.gguf").read_bytes()


def test_what_was_learnt_is_written_exactly(tmp_path: Path, first: Path) -> None:
    model = open_base(first)
    mx.random.seed(5)
    model.update({"token_embd": {"weight": mx.random.normal((SHAPE.vocabulary, SHAPE.width))}})
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(tmp_path / "weights.safetensors"), weights)
    learnt = tmp_path / "learnt.gguf"
    write_learnt(learnt, first, tmp_path / "weights.safetensors", {"general.description": "Learnt."})
    again = dict(tree_flatten(open_base(learnt).parameters()))
    assert set(again) == set(weights)
    assert all(np.array_equal(np.array(again[name]), np.array(weights[name])) for name in weights)
    found = read_header(learnt)
    assert found.text("general.description") == "Learnt."
    assert (
        found.text("tokenizer.chat_template")
        == json.loads((tmp_path / "tokenizer_config.json").read_text())["chat_template"]
    )
