"""Rows side by side give what each gives alone, and so do their gradients."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from edgellm.train.batch import make_batch
from edgellm.train.ragged import Layout, Rows
from edgellm.train.rows import Row
from tests.unit.train.tiny import rows, tiny_decoder

TEXTS = {
    "even": [Row((1, 2, 3, 4, 5), ((3, 5),)), Row((1, 2, 3, 9, 8), ((3, 5),))],
    "uneven": rows(5),
    "long and short": [*rows(3), Row(tuple(range(40)) * 2, ((5, 80),))],
    "nothing shared": rows(4, shared=0),
    "alone": rows(1),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_batch_computes_what_each_row_does_alone(name: str) -> None:
    model = tiny_decoder()
    batch = make_batch(TEXTS[name])
    together = model.run(model.embed(batch.tokens), batch.rows)[batch.positions]
    alone = []
    for row in TEXTS[name]:
        single = make_batch([row])
        alone.append(model.run(model.embed(single.tokens), single.rows)[single.positions])
    np.testing.assert_allclose(together, mx.concatenate(alone), atol=2e-5)


@pytest.mark.parametrize("name", TEXTS)
def test_gradients_are_those_of_the_rows_alone(name: str) -> None:
    model = tiny_decoder()

    def score(embedding: mx.array, chosen: list[Row]) -> mx.array:
        batch = make_batch(chosen)
        out = model.run(embedding[batch.tokens], batch.rows)[batch.positions]
        return (out * mx.sin(batch.targets.astype(mx.float32))[:, None]).sum()

    embedding = model.token_embd.weight
    together = mx.grad(lambda e: score(e, TEXTS[name]))(embedding)
    alone = mx.grad(lambda e: mx.stack([score(e, [row]) for row in TEXTS[name]]).sum())(embedding)
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-3)


def test_only_similar_rows_are_padded_to_each_other() -> None:
    groups = Rows(Layout(shared=3, own=(10, 200, 12, 190, 100))).groups
    assert [(group.rows, group.length) for group in groups] == [(2, 200), (1, 100), (2, 12)]


def test_a_layout_counts_the_shared_tokens_once() -> None:
    layout = Layout(shared=3, own=(2, 4))
    assert layout.tokens == 9
    assert Rows(layout).positions == [0, 1, 2, 3, 4, 3, 4, 5, 6]
