"""However a step is divided, its gradient is the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten, tree_map

from edgellm.train.decoder import Decoder
from edgellm.train.goal import Imitation
from edgellm.train.lora import make_learning
from edgellm.train.objective import Objective, Share
from edgellm.train.rows import Unit
from edgellm.train.settings import settings_for
from tests.unit.train.tiny import rows, tiny_decoder

ROWS, ANCHORS = rows(6), rows(4, seed=5)


def learning(layers: int | None = None, **changes: object) -> tuple[Decoder, Objective[Unit]]:
    """A model that has learnt a little: with B at zero, A has no gradient."""
    model = tiny_decoder()
    objective = Objective(model, Imitation(), ANCHORS, 0.7)
    make_learning(model, settings_for("balanced", rank=4, layers=layers, **changes))
    mx.random.seed(2)
    model.update(tree_map(lambda x: x + 0.1 * mx.random.normal(x.shape), model.trainable_parameters()))
    return model, objective


def gradient(objective: Objective[Unit], parts: Sequence[Share[Unit]]) -> tuple[mx.array, dict[str, mx.array]]:
    whole = Share([row for part in parts for row in part.units], [row for part in parts for row in part.anchors])
    total = tree_map(lambda *values: mx.stack(values).sum(axis=0), *(objective.gradients(p, whole) for p in parts))
    return total[0], dict(tree_flatten(total[1]))


def assert_same(one: tuple[mx.array, dict[str, mx.array]], other: tuple[mx.array, dict[str, mx.array]]) -> None:
    np.testing.assert_allclose(one[0], other[0], rtol=1e-4)
    assert one[1].keys() == other[1].keys()
    for name, value in one[1].items():
        np.testing.assert_allclose(value, other[1][name], rtol=1e-3, atol=2e-5, err_msg=name)


@pytest.mark.parametrize(
    "parts",
    [
        [Share(ROWS[:2], ANCHORS[:3]), Share(ROWS[2:], ANCHORS[3:])],
        [Share(ROWS, ()), Share((), ANCHORS)],
        [Share([row], ()) for row in ROWS] + [Share((), [anchor]) for anchor in ANCHORS],
    ],
    ids=["two", "apart", "one by one"],
)
def test_parts_add_up(parts: list[Share[Unit]]) -> None:
    _, objective = learning()
    assert_same(gradient(objective, [Share(ROWS, ANCHORS)]), gradient(objective, parts))


def test_layers_that_do_not_learn_may_be_kept() -> None:
    model, plain = learning(layers=1)
    expected = gradient(plain, [Share(ROWS, ANCHORS)])
    plain.keep_below(len(model.blk) - 1, 1_000_000)
    for _ in range(2):  # computed, then from memory
        assert_same(expected, gradient(plain, [Share(ROWS, ANCHORS)]))


def test_a_budget_of_nothing_keeps_nothing() -> None:
    model, objective = learning(layers=1)
    objective.keep_below(len(model.blk) - 1, 0)
    first = gradient(objective, [Share(ROWS, ANCHORS)])
    assert_same(first, gradient(objective, [Share(ROWS, ANCHORS)]))


def test_who_has_learnt_nothing_has_not_strayed() -> None:
    model = tiny_decoder()
    objective = Objective(model, Imitation(), ANCHORS, 1.0)
    make_learning(model, settings_for("balanced", rank=4))
    share = Share(ROWS, ANCHORS)
    (_, straying), _ = objective.gradients(share, share)
    assert abs(straying.item()) < 1e-5


@pytest.mark.parametrize("changes", [{}, {"dropout": 0.3}, {"dropout": 0.3, "method": "dora"}], ids=str)
def test_layers_that_are_computed_again_leave_the_same_out(changes: dict[str, Any]) -> None:
    whole, found = Share(ROWS, ANCHORS), []
    for is_recomputed in (False, True):
        model, objective = learning(**changes)
        model.train()
        if is_recomputed:
            model.recompute()
        mx.random.seed(7)
        found.append(objective.gradients(whole, whole))
    (one, gradients), (other, again) = found
    assert_same((one, dict(tree_flatten(gradients))), (other, dict(tree_flatten(again))))


def test_dropout_leaves_another_share_out_each_time_and_nothing_when_measured() -> None:
    _, objective = learning(dropout=0.3)
    whole = Share(ROWS, ANCHORS)
    first, second = (objective.gradients(whole, whole)[0][0].item() for _ in range(2))
    assert first != second
    model, objective = learning(dropout=0.3)
    objective.gradients(whole, whole)  # masks are drawn
    model.eval()
    _, without = learning()
    assert objective.measure(ROWS, ROWS)[0].item() == without.measure(ROWS, ROWS)[0].item()


def test_the_speed_of_reading_anchors_is_told_but_for_the_first_part() -> None:
    told: list[tuple[int, float]] = []
    anchors = rows(9, seed=5)
    Objective(tiny_decoder(), Imitation(), anchors, 0.7, note=lambda tokens, seconds: told.append((tokens, seconds)))
    assert [tokens for tokens, _ in told] == [sum(len(row.tokens) for row in anchors[4:8]), len(anchors[8].tokens)]
    assert all(seconds > 0 for _, seconds in told)
