"""The goals on a small model: losses and gradients of the plain way, however a step is divided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx import nn
from mlx.utils import tree_flatten, tree_map

from edgellm.train.decoder import Decoder
from edgellm.train.lora import make_learning
from edgellm.train.objective import Objective, Share
from edgellm.train.preference.goal import WATCHED_POSITIONS, preference_goal, watched
from edgellm.train.preference.reference import take_reference
from edgellm.train.rows import Pair, RowSets
from edgellm.train.settings import TrainSettings, settings_for
from edgellm.train.values import number, numbers
from tests.unit.train.preference.plain import log_p, plain_loss
from tests.unit.train.tiny import pairs, rows, tiny_decoder

BALANCED = [Pair(pair.answer, pair.other, number % 2 > 0) for number, pair in enumerate(pairs(6))]
OBJECTIVES = ("dpo", "orpo", "kto")


def settings(objective: str, **changes: Any) -> TrainSettings:
    return settings_for("balanced", objective=objective, rank=4, **changes)


def learning(
    chosen: TrainSettings, units: Sequence[Pair] = BALANCED, moved: float = 0.1
) -> tuple[Decoder, Objective[Pair]]:
    """A model that has strayed a little from its base, and the objective that was made before."""
    model = tiny_decoder()
    make_learning(model, chosen)
    goal = preference_goal(
        chosen, RowSets(train=(), pairs=tuple(units)), lambda known: take_reference(model, known, None, "plan")
    )
    objective = Objective(model, goal, watched(units), 0.0)
    mx.random.seed(2)
    model.update(tree_map(lambda x: x + moved * mx.random.normal(x.shape), model.trainable_parameters()))
    return model, objective


def gradient(objective: Objective[Pair], parts: Sequence[Sequence[Pair]]) -> tuple[mx.array, dict[str, mx.array]]:
    whole = [pair for part in parts for pair in part]
    baseline = sum(number(objective.baseline(part, whole)) for part in parts)
    total = tree_map(
        lambda *values: mx.stack(values).sum(axis=0),
        *(objective.gradients(Share(part), Share(whole), baseline) for part in parts),
    )
    return total[0], dict(tree_flatten(total[1]))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_losses_and_gradients_are_those_of_the_plain_way(objective: str) -> None:
    chosen = settings(objective, beta=0.3)
    model, ours = learning(chosen)
    base = tiny_decoder()
    found, slopes = gradient(ours, [BALANCED])
    wanted, theirs = nn.value_and_grad(model, lambda model: plain_loss(model, base, BALANCED, chosen))(model)
    assert found[0].item() == pytest.approx(wanted.item(), abs=1e-5)
    for name, value in tree_flatten(theirs):
        np.testing.assert_allclose(slopes[name], value, atol=1e-5, rtol=1e-3, err_msg=name)
    assert max(float(abs(value).max()) for value in slopes.values()) > 1e-2, "equal zeros would say nothing"


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_parts_add_up(objective: str, size: int) -> None:
    units = pairs(7)
    _, ours = learning(settings(objective), units)
    whole, parts = gradient(ours, [units]), gradient(ours, [units[at : at + size] for at in range(0, 7, size)])
    np.testing.assert_allclose(whole[0], parts[0], rtol=1e-4, atol=1e-5)
    for name, value in whole[1].items():
        np.testing.assert_allclose(value, parts[1][name], rtol=1e-3, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_who_has_learnt_nothing_prefers_nothing(objective: str) -> None:
    _, ours = learning(settings(objective), moved=0.0)
    loss, margin, accuracy = numbers(ours.measure(BALANCED, BALANCED))
    assert loss == pytest.approx(np.log(2) if objective == "dpo" else 0.5, abs=1e-5)
    assert margin == pytest.approx(0, abs=1e-5)
    assert 0 <= accuracy <= 1
    assert abs(ours.straying(watched(BALANCED)).item()) < 1e-5


def test_a_margin_is_what_the_good_answers_gained() -> None:
    chosen, base = settings("kto", beta=0.5), tiny_decoder()
    units = pairs(7)
    model, ours = learning(chosen, units)
    change = {pair.answer: (log_p(model, pair.answer) - log_p(base, pair.answer)).item() for pair in units}
    good = [change[pair.answer] for pair in units if pair.is_good]
    bad = [change[pair.answer] for pair in units if not pair.is_good]
    margin = ours.measure(units, units)[1].item()
    assert margin == pytest.approx(0.5 * (np.mean(good) - np.mean(bad)), rel=1e-4)


def test_the_rarer_judgement_weighs_more() -> None:
    units = [Pair(pair.answer, pair.other, number > 0) for number, pair in enumerate(pairs(5))]
    _, ours = learning(settings("kto"), units, moved=0.0)
    one, other = (ours.measure([unit], [unit])[0].item() for unit in units[:2])
    assert one == pytest.approx(4 * other, rel=1e-4)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_layers_that_do_not_learn_may_be_kept(objective: str) -> None:
    model, ours = learning(settings(objective, layers=1))
    expected = gradient(ours, [BALANCED])
    ours.keep_below(len(model.blk) - 1, 1_000_000)
    for _ in range(2):
        np.testing.assert_allclose(gradient(ours, [BALANCED])[0], expected[0], rtol=1e-4, atol=1e-5)


def test_only_so_many_positions_are_watched() -> None:
    many = pairs(200)
    chosen = watched(many)
    assert 0 < WATCHED_POSITIONS - sum(row.targets for row in chosen) < 20
    assert watched(many[:3]) == [pair.answer for pair in many[:3]]
    assert watched([]) == []


def test_anchors_are_beside_pairs_too() -> None:
    anchors = rows(3, seed=5)
    chosen = settings("dpo")
    model = tiny_decoder()
    make_learning(model, chosen)
    goal = preference_goal(
        chosen, RowSets(train=(), pairs=tuple(BALANCED)), lambda known: take_reference(model, known, None, "")
    )
    objective = Objective(model, goal, anchors, 0.7)
    mx.random.seed(2)
    model.update(tree_map(lambda x: x + 0.1 * mx.random.normal(x.shape), model.trainable_parameters()))
    share = Share(BALANCED, anchors)
    (_, straying, *_), _ = objective.gradients(share, share)
    assert straying.item() == pytest.approx(objective.straying(anchors).item(), rel=1e-4)
    assert number(straying) > 1e-3
