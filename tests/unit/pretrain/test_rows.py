"""Rows of the context, and what is held out."""

from __future__ import annotations

import pytest

from edgellm.pretrain.rows import HELD_OUT_CHARS, held_out, make_rows
from edgellm.pretrain.tokenizer import EDGE_ID, open_tokenizer, train_tokenizer
from edgellm.train.rows import Row
from tests.unit.pretrain.texts import sentences

PASSAGES = sentences(40_000).split("\n\n")


def predicted(rows: tuple[Row, ...]) -> list[int]:
    return [token for row in rows for start, end in row.supervised for token in row.tokens[start:end]]


@pytest.mark.parametrize("context", [64, 128])
def test_every_token_is_predicted_once(context: int) -> None:
    tokenizer = open_tokenizer(train_tokenizer(PASSAGES, 400))
    sets = make_rows(PASSAGES, tokenizer, context)
    kept = held_out(PASSAGES)
    for rows, passages in ((sets.valid, PASSAGES[:kept]), (sets.train, PASSAGES[kept:])):
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in passages]
        assert predicted(rows) == [token for one in ids for token in (*one, EDGE_ID)]
        assert rows[0].tokens[0] == EDGE_ID
        assert all(len(row.tokens) == context for row in rows[:-1])
        assert all(row.targets > 0 for row in rows)


def test_what_is_held_out_is_a_twentieth_and_never_much() -> None:
    assert 0.04 < sum(map(len, PASSAGES[: held_out(PASSAGES)])) / sum(map(len, PASSAGES)) < 0.07
    many = ["word " * 800] * 1000
    assert held_out(many) == HELD_OUT_CHARS // 4000


def test_of_few_passages_all_are_learnt() -> None:
    assert held_out(PASSAGES[:9]) == 0
    assert make_rows(PASSAGES[:9], open_tokenizer(train_tokenizer(PASSAGES, 400)), 64).valid == ()
