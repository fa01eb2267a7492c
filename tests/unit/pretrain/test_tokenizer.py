"""Tokenizers made from texts: every text comes back, and none can spell a control token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgellm.export.convert.probe import TEXTS
from edgellm.pretrain.tokenizer import (
    EDGE,
    EDGE_ID,
    LEAST_VOCABULARY,
    open_tokenizer,
    train_tokenizer,
    vocabulary_of,
    write_tokenizer,
)
from tests.unit.pretrain.texts import sentences

PASSAGES = sentences(20_000).split("\n\n")


@pytest.fixture(scope="module")
def content() -> str:
    return train_tokenizer(PASSAGES, 512)


def test_any_text_comes_back(content: str) -> None:
    tokenizer = open_tokenizer(content)
    for text in (*TEXTS, *PASSAGES[:5]):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids) == text


def test_frequent_words_are_short(content: str) -> None:
    tokenizer = open_tokenizer(content)
    assert len(tokenizer.encode(" the harbour", add_special_tokens=False).ids) <= 3
    assert len(tokenizer.encode(" xylophone", add_special_tokens=False).ids) > 3


def test_digits_stand_alone(content: str) -> None:
    assert len(open_tokenizer(content).encode("12", add_special_tokens=False).ids) == 2


def test_a_text_that_spells_the_control_token_stays_text(content: str) -> None:
    assert EDGE_ID not in open_tokenizer(content).encode(f"a {EDGE} b", add_special_tokens=False).ids


def test_the_same_texts_give_the_same_tokenizer(content: str) -> None:
    assert train_tokenizer(PASSAGES, 512) == content


def test_few_texts_give_fewer_tokens() -> None:
    assert vocabulary_of(train_tokenizer(["to be or not to be"], 1024)) < LEAST_VOCABULARY + 20
    assert vocabulary_of(train_tokenizer(PASSAGES, 300)) == 300


def test_metadata_is_what_llama_cpp_reads(tmp_path: Path, content: str) -> None:
    found = write_tokenizer(tmp_path, content)
    assert found["tokenizer.ggml.pre"] == "smollm"
    assert found["tokenizer.ggml.bos_token_id"] == found["tokenizer.ggml.eos_token_id"] == EDGE_ID
    assert found["tokenizer.ggml.add_bos_token"] is True
    assert found["tokenizer.ggml.add_eos_token"] is False
    assert len(list(found["tokenizer.ggml.tokens"])) == vocabulary_of(content)  # type: ignore[arg-type]
    assert json.loads((tmp_path / "tokenizer.json").read_text()) == json.loads(content)
