"""What people preferred: win rates, the sign test, Elo, agreement, by hand and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgellm.evals.blind import Choice, Pair
from edgellm.evals.elo import Match, ratings
from edgellm.evals.preference import agreements, people, preferred
from edgellm.evals.votes import Vote

RUNS = 150


def pairs(count: int, subject: str = "new", baseline: str = "old", same: int = 0) -> list[Pair]:
    return [
        Pair(
            id=f"{subject}{baseline}{number}",
            suite="s",
            case_id=str(number),
            group=str(number),
            sample=0,
            question="?",
            subject=subject,
            baseline=baseline,
            ours="x" if number < same else "ours",
            theirs="x" if number < same else "theirs",
        )
        for number in range(count)
    ]


def vote(pair: Pair, winner: str, judge: str = "Ana", choice: Choice | None = None) -> Vote:
    """Who wins stands left; nobody: a tie."""
    left = winner or pair.subject
    right = pair.baseline if left == pair.subject else pair.subject
    said: Choice = choice or ("left" if winner else "tie")
    return Vote(
        pair=pair.id,
        suite="s",
        case_id=pair.case_id,
        sample=0,
        left=left,
        right=right,
        choice=said,
        judge=judge,
        at=0.0,
    )


def test_a_win_rate_by_hand() -> None:
    asked = pairs(20)
    cast = [vote(pair, "new") for pair in asked[:15]] + [vote(pair, "old") for pair in asked[15:]]
    found = preferred(asked, cast)
    assert (found.won, found.lost, found.tied, found.judged, found.pairs) == (15, 5, 0, 20, 20)
    assert found.win_rate is not None
    assert found.win_rate.mean == 0.75
    assert (found.win_rate.low, found.win_rate.high) == pytest.approx((0.531, 0.888), abs=0.001)  # Wilson
    assert found.p == pytest.approx(2 * sum(math.comb(20, k) for k in range(15, 21)) / 2**20)
    assert found.word == "better"


def test_ties_bad_ones_and_equal_answers_are_half_a_win_and_no_test() -> None:
    asked = pairs(12, same=2)
    cast = [vote(pair, "new") for pair in asked[2:8]]
    cast += [vote(asked[8], ""), vote(asked[9], "", choice="both bad"), vote(asked[10], ""), vote(asked[11], "old")]
    found = preferred(asked, cast)
    assert (found.won, found.lost, found.tied, found.both_bad, found.same) == (6, 1, 2, 1, 2)
    assert found.win_rate is not None
    assert found.win_rate.mean == pytest.approx((6 + 0.5 * 5) / 12)
    assert found.p == pytest.approx(2 * (1 + 7) / 2**7), "six of the seven that differ"
    assert found.word == "no difference shown"


def test_without_a_vote_there_is_no_rate() -> None:
    found = preferred(pairs(3, same=3), [])
    assert (found.win_rate, found.p, found.word, found.same, found.pairs) == (None, None, "", 0, 0)


def test_two_people_on_one_pair_are_one_case() -> None:
    asked = pairs(10)
    alone = preferred(asked, [vote(pair, "new") for pair in asked])
    both = preferred(asked, [vote(pair, "new", judge) for pair in asked for judge in ("Ana", "Ben")])
    assert both.p == alone.p
    assert both.judges == ("Ana", "Ben")


def test_who_chooses_by_place_is_seen() -> None:
    asked = pairs(10)
    assert preferred(asked, [vote(pair, "new") for pair in asked]).left == 1.0


def test_agreement_by_hand() -> None:
    asked = pairs(10)
    cast = [vote(pair, "new") for pair in asked[:6]] + [vote(pair, "old") for pair in asked[6:]]
    cast += [vote(pair, "new", "Ben") for pair in asked[:4]] + [vote(pair, "old", "Ben") for pair in asked[4:]]
    (found,) = agreements(cast)
    assert (found.judges, found.pairs, found.share.mean) == (("Ana", "Ben"), 10, 0.8)
    assert found.kappa == pytest.approx((0.8 - (0.24 + 0.24)) / (1 - 0.48))
    alike = [vote(pair, "new", judge) for pair in asked for judge in ("Ana", "Ben")]
    assert next(agreements(alike)).kappa is None, "chance alone agrees when all say one thing"


def test_agreement_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(4)
    for count in (12, 60):
        asked = pairs(count)
        said = [[("new", "old", "")[each] for each in random.integers(0, 3, count)] for _ in range(2)]
        cast = [
            vote(pair, winner, judge)
            for judge, by in zip(("Ana", "Ben"), said, strict=True)
            for pair, winner in zip(asked, by, strict=True)
        ]
        (found,) = agreements(cast)
        assert found.kappa == pytest.approx(metrics.cohen_kappa_score(*said))


def test_a_rating_of_two_is_the_odds() -> None:
    matches = [Match("new", "old", float(number < 30), str(number)) for number in range(40)]
    best, anchor = ratings(matches, "old")
    assert best.elo.mean - 1000 == pytest.approx(400 * math.log10(31 / 11), abs=0.01)
    assert best.elo.low < best.elo.mean < best.elo.high
    assert (anchor.elo.low, anchor.elo.mean, anchor.elo.high) == (1000, 1000, 1000)


def test_ratings_of_three_are_consistent_and_reach_who_was_never_compared_with_the_anchor() -> None:
    matches = [Match("b", "a", float(number % 4 != 0), str(number)) for number in range(60)]
    matches += [Match("c", "b", float(number % 4 != 0), str(number)) for number in range(60)]
    found = {each.subject: each.elo.mean for each in ratings(matches, "a")}
    assert found["c"] - found["b"] == pytest.approx(found["b"] - found["a"], abs=1)
    apart = [*matches, Match("x", "y", 1.0, "1")]
    assert {each.subject for each in ratings(apart, "a")} == {"a", "b", "c"}


def test_who_never_lost_has_a_finite_rating_with_a_width() -> None:
    best, _ = ratings([Match("new", "old", 1.0, str(number)) for number in range(20)], "old")
    assert 1250 < best.elo.low < best.elo.mean < best.elo.high < 2000


def test_few_cases_are_not_rated() -> None:
    assert ratings([Match("new", "old", 1.0, str(number % 7)) for number in range(50)], "old") == []


@pytest.mark.parametrize("rate", [0.5, 0.75, 0.95])
def test_intervals_hold_the_true_rating(rate: float) -> None:
    """95 % wanted; with 150 runs, 90 % would be four standard deviations below."""
    random, true, held = np.random.default_rng(7), 1000 + 400 * math.log10(rate / (1 - rate)), 0
    for _ in range(RUNS):
        values = (random.random(30) < rate).astype(float)
        best = {x.subject: x.elo for x in ratings([Match("n", "o", v, str(i)) for i, v in enumerate(values)], "o",
                                                  resamples=400)}["n"]  # fmt: skip
        held += best.low <= true <= best.high
    assert held / RUNS >= 0.9


def test_a_run_has_every_two_who_were_compared() -> None:
    first, second = pairs(12), pairs(12, baseline="older")
    cast = [vote(pair, "new") for pair in first] + [vote(pair, "older") for pair in second]
    found = people([first, second, pairs(12, "old", "older")], cast, "old")
    assert [(each.subject, each.baseline) for each in found.preferred] == [("new", "old"), ("new", "older")]
    assert [each.subject for each in found.ratings] == ["older", "new", "old"]
    assert found.votes == 24
