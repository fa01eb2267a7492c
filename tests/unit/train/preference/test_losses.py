"""The formulas against values worked out by hand, and against the papers' own words in plain Python."""

from __future__ import annotations

import math
from itertools import product

import mlx.core as mx
import pytest

from edgellm.train.preference.losses import dpo, kto, log_odds_ratio, orpo
from edgellm.train.values import number

SAME = 1e-5
CHANGES = (-30.0, -2.0, 0.0, 0.7, 25.0)
MEANS = (-9.0, -2.0, -0.7, -0.01)
BETAS = (0.1, 0.5, 2.0)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_values_by_hand() -> None:
    assert dpo(mx.array([0.0]), mx.array([0.0]), 0.1).item() == pytest.approx(math.log(2), abs=SAME)
    assert dpo(mx.array([3.0]), mx.array([-2.0]), 0.2).item() == pytest.approx(0.313262, abs=SAME)  # log(1 + 1/e)
    half = mx.array([math.log(0.5)])
    assert log_odds_ratio(half, mx.array([math.log(0.2)])).item() == pytest.approx(math.log(4), abs=SAME)
    assert orpo(half, half, 1.0).item() == pytest.approx(2 * math.log(2), abs=SAME)
    good, bad = mx.array([True]), mx.array([False])
    assert kto(mx.array([10.0]), good, 10.0, 0.1).item() == pytest.approx(0.5, abs=SAME)
    assert kto(mx.array([20.0]), good, 10.0, 0.1).item() == pytest.approx(0.268941, abs=SAME)  # 1 / (1 + e)
    assert kto(mx.array([20.0]), bad, 10.0, 0.1).item() == pytest.approx(0.731059, abs=SAME)


@pytest.mark.parametrize("beta", BETAS)
def test_dpo_is_the_papers_formula(beta: float) -> None:
    for chosen, rejected in product(CHANGES, repeat=2):
        found, slope = mx.value_and_grad(lambda c, r=rejected: dpo(c, mx.array([r]), beta).sum())(mx.array([chosen]))
        right = sigmoid(beta * (chosen - rejected))
        assert found.item() == pytest.approx(-math.log(right), abs=SAME)
        assert slope.item() == pytest.approx(-beta * (1 - right), abs=SAME)


@pytest.mark.parametrize("beta", BETAS)
def test_orpo_is_the_papers_formula(beta: float) -> None:
    for chosen, rejected in product(MEANS, repeat=2):
        ratio = math.log(math.exp(chosen) / (1 - math.exp(chosen)) / (math.exp(rejected) / (1 - math.exp(rejected))))
        found, slope = mx.value_and_grad(lambda c, r=rejected: orpo(c, mx.array([r]), beta).sum())(mx.array([chosen]))
        assert found.item() == pytest.approx(-chosen - beta * math.log(sigmoid(ratio)), abs=SAME)
        odds_slope = 1 / (1 - math.exp(chosen))
        assert slope.item() == pytest.approx(-1 - beta * (1 - sigmoid(ratio)) * odds_slope, rel=1e-4)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("is_good", [True, False])
def test_kto_is_the_papers_formula(beta: float, is_good: bool) -> None:
    for change, baseline in product(CHANGES, (0.0, 3.0)):
        found, slope = mx.value_and_grad(lambda c, b=baseline: kto(c, mx.array([is_good]), b, beta).sum())(
            mx.array([change])
        )
        value = sigmoid(beta * (change - baseline if is_good else baseline - change))
        assert found.item() == pytest.approx(1 - value, abs=SAME)
        assert slope.item() == pytest.approx((-beta if is_good else beta) * value * (1 - value), abs=SAME)


def test_what_is_nearly_certain_has_a_loss_too() -> None:
    for mean in (0.0, -1e-9, -200.0):
        loss, slope = mx.value_and_grad(lambda c: orpo(c, mx.array([-1.0]), 0.1).sum())(mx.array([mean]))
        assert math.isfinite(number(loss))
        assert math.isfinite(number(slope))
    assert math.isfinite(number(dpo(mx.array([-1e4]), mx.array([1e4]), 2.0)))
