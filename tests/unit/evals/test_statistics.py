"""Intervals cover what they promise, tests do not cry wolf, and both agree with what is computed by hand or scipy."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from edgellm.evals import statistics
from edgellm.evals.statistics import Floats, compare, holm, interval, share_interval, word

SIZES = (30, 60, 200)
RUNS = 1000
Draw = Callable[[np.random.Generator, int], tuple[Floats, float]]
"""A generator and a number of cases to their values, and the true mean."""


def coverage(draw: Draw, size: int, runs: int = RUNS) -> float:
    random, held = np.random.default_rng(size), 0
    for run in range(runs):
        values, true = draw(random, size)
        found = interval(values.tolist(), seed=run, resamples=1000)
        held += found.low <= true <= found.high
    return held / runs


def binary(random: np.random.Generator, size: int) -> tuple[Floats, float]:
    """A model whose true rate nobody knows."""
    rate = float(random.uniform(0.05, 0.95))
    return (random.random(size) < rate).astype(float), rate


def even(random: np.random.Generator, size: int) -> tuple[Floats, float]:
    return random.random(size), 0.5


def skewed(random: np.random.Generator, size: int) -> tuple[Floats, float]:
    """Like token F1 of a weak model: mostly low, now and then high."""
    return random.beta(0.8, 2.4, size), 0.25


def u_shaped(random: np.random.Generator, size: int) -> tuple[Floats, float]:
    """Like token F1 of a fair one: many near 0, many near 1."""
    return random.beta(0.3, 0.3, size), 0.5


def lumpy(random: np.random.Generator, size: int) -> tuple[Floats, float]:
    """Half wrong, a third right, the rest in between."""
    kind = random.random(size)
    return np.where(kind < 0.5, 0.0, np.where(kind < 0.8, 1.0, random.random(size))), 0.3 + 0.2 * 0.5


def nearly_right(random: np.random.Generator, size: int) -> tuple[Floats, float]:
    """Mostly right, now and then a part."""
    return np.where(random.random(size) < 0.75, 1.0, random.random(size)), 0.875


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("draw", [binary, even, skewed, u_shaped, lumpy])
def test_the_interval_covers_the_true_mean(draw: Draw, size: int) -> None:
    assert 0.93 <= coverage(draw, size) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_where_few_values_differ_the_interval_is_rather_too_wide(size: int) -> None:
    assert 0.93 <= coverage(nearly_right, size) <= 0.99


@pytest.mark.parametrize("size", SIZES)
def test_the_interval_of_a_rate_covers_it_as_exactly_computed(size: int) -> None:
    """Averaged over rates, by the binomial distribution itself and not by drawing."""
    bounds = [interval([1.0] * hits + [0.0] * (size - hits)) for hits in range(size + 1)]
    found = []
    for rate in np.linspace(0.05, 0.95, 181):
        chances = binomial(size, float(rate))
        found.append(sum(p for p, each in zip(chances, bounds, strict=True) if each.low <= rate <= each.high))
    assert 0.94 <= float(np.mean(found)) <= 0.96
    assert min(found) >= 0.92, "whole numbers make it swing, but not far"


def binomial(size: int, rate: float) -> Floats:
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, size + 1)))])
    hits = np.arange(size + 1)
    ways = logs[size] - logs[hits] - logs[size - hits]
    chances: Floats = np.exp(ways + hits * np.log(rate) + (size - hits) * np.log1p(-rate))
    return chances


@pytest.mark.slow
def test_rewordings_of_one_question_count_together() -> None:
    """Five rewordings that are answered alike are one question: an interval that forgets it is far too narrow."""
    random, right, wrong = np.random.default_rng(0), 0, 0
    for run in range(400):
        rate = float(random.uniform(0.2, 0.8))
        values = np.repeat((random.random(40) < rate).astype(float), 5).tolist()
        groups = [at // 5 for at in range(200)]
        together, apart = interval(values, groups, seed=run, resamples=1000), interval(values)
        right += together.low <= rate <= together.high
        wrong += apart.low <= rate <= apart.high
    assert 0.92 <= right / 400 <= 0.98
    assert wrong / 400 < 0.75


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_the_interval_of_a_share_covers_the_true_one(size: int) -> None:
    """Claims without support: one to five in an answer, alike within it, and longer answers hold more of them."""
    random, held = np.random.default_rng(size), 0
    for run in range(RUNS):
        claims = random.integers(1, 6, size)
        unsupported = random.binomial(claims, random.beta(0.1 * claims, 0.9))
        found = share_interval(unsupported.tolist(), claims.tolist(), seed=run, resamples=1000)
        held += found.low <= SHARE <= found.high
    assert 0.93 <= held / RUNS <= 0.97


SHARE = sum(n * 0.1 * n / (0.1 * n + 0.9) for n in range(1, 6)) / sum(range(1, 6))
"""The true share above: an answer of n claims is expected to hold n times the mean of its beta distribution."""


def test_a_share_of_rates_is_a_rate() -> None:
    hits = [1.0] * 3 + [0.0] * 17
    assert share_interval(hits, [1.0] * 20) == interval(hits)
    assert share_interval([*hits, 0.0], [*[1.0] * 20, 0.0]) == interval(hits), "what counts nothing is left out"
    with pytest.raises(ValueError, match="nothing to count"):
        share_interval([0.0], [0.0])


def test_extremes_still_have_an_interval() -> None:
    for values in ([1.0] * 20, [0.0] * 20, [1.0], [0.5] * 10, [0.5]):
        found = interval(values)
        assert 0 <= found.low <= found.mean <= found.high <= 1
        assert found.high - found.low > 0.1, "a few equal values are no certainty"


def test_wilsons_interval_is_the_published_one() -> None:
    """Newcombe, 1998, table I: 81 of 263 with 95 %: 0.2553 to 0.3662; 0 of 20: 0 to 0.1611."""
    found = interval([1.0] * 81 + [0.0] * 182)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    none = interval([0.0] * 20)
    assert (round(none.low, 4), round(none.high, 4)) == (0.0, 0.1611)


def test_intervals_agree_with_scipy() -> None:
    scipy = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(1)
    for size, hits in ((30, 3), (60, 30), (200, 180)):
        ours = interval([1.0] * hits + [0.0] * (size - hits))
        theirs = scipy.binomtest(hits, size).proportion_ci(method="wilson")
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    values = random.random(200)
    ours = interval(values.tolist(), resamples=5000)
    error = values.std(ddof=1) / np.sqrt(200)
    theirs = scipy.t.interval(0.95, 199, loc=values.mean(), scale=error)
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=0.1 * error)


def test_the_test_is_mcnemars_exact_one_for_right_and_wrong() -> None:
    scipy = pytest.importorskip("scipy.stats")
    for gained, lost in ((8, 1), (5, 5), (12, 2), (3, 0)):
        ours = [1.0] * gained + [0.0] * lost + [1.0] * 30
        theirs = [0.0] * gained + [1.0] * lost + [1.0] * 30
        exact = scipy.binomtest(gained, gained + lost).pvalue
        assert compare(ours, theirs).p == pytest.approx(exact, abs=1e-9)


def test_the_test_agrees_with_scipys_permutations() -> None:
    scipy = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(2)
    ours, theirs = random.random(12), random.random(12)
    found = scipy.permutation_test(
        (ours, theirs), lambda a, b: np.sum(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert compare(ours.tolist(), theirs.tolist()).p == pytest.approx(found.pvalue, abs=1e-9)


def test_few_groups_are_counted_out_by_hand() -> None:
    """Three differences of +1: of the 8 sign patterns, two are as extreme."""
    assert compare([1.0] * 3, [0.0] * 3).p == 0.25
    assert compare([1.0, 0.0], [0.0, 1.0]).p == 1.0
    assert compare([0.5] * 9, [0.5] * 9).p == 1.0


def answers(random: np.random.Generator, rates: Floats) -> list[float]:
    return [float(each) for each in random.random(len(rates)) < rates]


def test_a_model_against_itself_shows_no_difference() -> None:
    """Sampled answers of one model, three suites a run: all three say so in at least 95 of 100 runs."""
    quiet = 0
    for run in range(100):
        random = np.random.default_rng(run)
        compared = []
        for size in (40, 60, 100):
            rates = random.beta(1, 1, size)
            compared.append(compare(answers(random, rates), answers(random, rates), seed=run))
        corrected = holm([each.p for each in compared])
        words = [word(each.difference, p) for each, p in zip(compared, corrected, strict=True)]
        quiet += set(words) == {"no difference shown"}
    assert quiet >= 95


def test_the_share_of_false_alarms_is_what_it_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "FLIPS", 2000)
    alarms = 0
    for run in range(600):
        random = np.random.default_rng(10_000 + run)
        ours, theirs = random.beta(0.5, 0.5, 40), random.beta(0.5, 0.5, 40)
        alarms += compare(ours.tolist(), theirs.tolist(), seed=run).p < 0.05
    assert 0.02 <= alarms / 600 <= 0.075


def test_a_true_difference_is_found() -> None:
    found = 0
    for run in range(50):
        random = np.random.default_rng(run)
        rates = random.beta(1, 1, 100)
        compared = compare(answers(random, np.minimum(1, rates + 0.3)), answers(random, rates), seed=run)
        found += word(compared.difference, compared.p) == "better"
    assert found >= 45


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_the_interval_of_a_difference_covers_the_true_one(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "FLIPS", 1)  # the test is not looked at
    random, held = np.random.default_rng(size), [0, 0]
    for run in range(RUNS):
        rates = random.uniform(0.1, 0.8, size)
        right = compare(answers(random, rates + 0.1), answers(random, rates), seed=run, resamples=1000)
        held[0] += right.low <= 0.1 <= right.high
        base, ours = random.beta(2, 2, size), random.beta(3, 2, size)  # means of a half and of three fifths
        smooth = compare(ours.tolist(), base.tolist(), seed=run, resamples=1000)
        held[1] += smooth.low <= 0.1 <= smooth.high
    assert all(0.93 <= each / RUNS <= 0.97 for each in held), held


def test_holm_by_hand() -> None:
    """Sorted 0.01, 0.02, 0.03, 0.5, times 4, 3, 2, 1, never falling."""
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.9]) == [1.0, 1.0]


@pytest.mark.parametrize("order", list(itertools.permutations([0.001, 0.04, 0.2])))
def test_holm_does_not_depend_on_the_order(order: tuple[float, ...]) -> None:
    assert dict(zip(order, holm(order), strict=True)) == pytest.approx({0.001: 0.003, 0.04: 0.08, 0.2: 0.2})


def test_words() -> None:
    assert word(0.1, 0.049) == "better"
    assert word(-0.1, 0.049) == "worse"
    assert word(0.1, 0.05) == "no difference shown"
    assert word(0.0, 0.001) == "no difference shown"


def test_the_same_values_give_the_same_numbers() -> None:
    values = np.random.default_rng(3).random(40).tolist()
    assert interval(values) == interval(values)
    assert compare(values, values[::-1]) == compare(values, values[::-1])


def test_what_cannot_be_computed_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        interval([])
    with pytest.raises(ValueError, match="cannot be paired"):
        compare([1.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="groups"):
        interval([1.0, 0.0], ["a"])
