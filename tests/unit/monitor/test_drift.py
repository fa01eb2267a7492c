"""Drift: seen when it is there, and no wolf cried when it is not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgellm.monitor.drift import ALPHA, FEWEST, Distances, moved, nearest, words_for
from edgellm.monitor.values import Moved


def asked(values: NDArray[np.float64], of_each: int = 1) -> Distances:
    """Distances of conversations with so many questions each."""
    return Distances(values.tolist(), [at // of_each for at in range(len(values))])


def conversations(random: np.random.Generator, count: int, shift: float = 0.0) -> Distances:
    """Of one to five questions, which resemble each other."""
    values, owners = [], []
    for number in range(count):
        about = random.normal(0.5 + shift, 0.15)
        for _ in range(int(random.integers(1, 6))):
            values.append(float(np.clip(about + random.normal(0, 0.03), 0, 2)))
            owners.append(number)
    return Distances(values, owners)


def test_a_shift_is_seen_in_both_directions() -> None:
    random = np.random.default_rng(1)
    near, far = asked(random.normal(0.4, 0.1, 80)), asked(random.normal(0.6, 0.1, 60))
    away, back = moved(far, near), moved(near, far)
    assert away is not None
    assert back is not None
    assert [word for _, word in words_for([away, back])] == ["farther", "nearer"]
    assert away.low < away.difference < away.high
    assert away.low > 0.1
    assert away.difference == pytest.approx(0.2, abs=0.05)


def test_no_wolf_is_cried() -> None:
    """At 1 %, 200 pairs of the same periods are called out about twice; conversations are not independent questions."""
    alarms = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        found = moved(conversations(random, 30), conversations(random, 45), seed)
        alarms += words_for([found])[0][1] != "no drift shown"
    assert alarms <= 7, f"{alarms} of 200; more than 7 would come by chance once in 1,000 times at 1 %"


def test_the_interval_holds_the_difference() -> None:
    held = 0
    for seed in range(100):
        random = np.random.default_rng(1000 + seed)
        found = moved(conversations(random, 40, shift=0.1), conversations(random, 40), seed)
        assert found is not None
        held += found.low <= 0.1 <= found.high
    assert held >= 88


def test_with_few_conversations_nothing_is_said() -> None:
    few, many = asked(np.ones(3 * (FEWEST - 1)), of_each=3), asked(np.zeros(100))
    assert moved(few, many) is None
    assert moved(many, few) is None
    assert words_for([None]) == [(None, "too few to say")]


def test_one_long_conversation_is_no_drift() -> None:
    random = np.random.default_rng(3)
    before = asked(random.normal(0.4, 0.1, 60))
    chatter = Distances([*random.normal(0.4, 0.1, 30).tolist(), *[1.0] * 200], [*range(30), *["one"] * 200])
    found = moved(chatter, before)
    assert found is not None
    assert found.difference > 0.3
    assert words_for([found])[0][1] == "no drift shown"


def test_the_same_seed_says_the_same() -> None:
    random = np.random.default_rng(5)
    now, before = conversations(random, 30), conversations(random, 30)
    assert moved(now, before, 4) == moved(now, before, 4)


def test_several_references_are_corrected() -> None:
    found = [Moved(now=1, before=0, difference=1, low=0, high=2, p=0.004)] * 3
    assert [word for _, word in words_for(found[:1])] == ["farther"]
    assert {word for _, word in words_for(found)} == {"no drift shown"}
    assert all(p is not None and p >= ALPHA for p, _ in words_for(found))


def test_the_nearest_text_counts() -> None:
    questions = np.array([[1, 0], [0, 1]], np.float32)
    reference = np.array([[0.6, 0.8], [-1, 0]], np.float32)
    assert nearest(questions, reference) == pytest.approx([0.4, 0.2])
