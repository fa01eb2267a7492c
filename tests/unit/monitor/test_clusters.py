"""Topics of questions: what is near one question is one topic, and the rest is in none."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from edgellm.monitor.clusters import MOST_TOPICS, SMALLEST, cluster, place


def around(middle: int, count: int, spread: float, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors near one axis of 32."""
    random = np.random.default_rng((seed, middle))
    found = spread * random.normal(size=(count, 32)) / 32**0.5
    found[:, middle] += 1
    units: NDArray[np.float32] = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return units


def test_groups_are_found_the_largest_first_and_strangers_stay_alone() -> None:
    strangers = np.eye(32, dtype=np.float32)[20:24]
    found = cluster(np.concatenate([around(0, 5, 0.3), strangers, around(7, 9, 0.3)]), near=0.6)
    assert [set(topic) for topic in found.topics] == [set(range(9, 18)), set(range(5))]
    assert found.alone == (5, 6, 7, 8)
    assert place(around(7, 3, 0.3, seed=9), found.middles, 0.6) == [0, 0, 0]
    assert place(np.eye(32, dtype=np.float32)[30:31], found.middles, 0.6) == [None]


def test_a_chain_of_small_steps_is_not_one_topic() -> None:
    angles = np.linspace(0, np.pi, 60)
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = cluster(chain, near=0.8)
    assert len(found.topics) > 1
    ends = [topic for topic in found.topics if 0 in topic and 59 in topic]
    assert not ends


def test_the_most_typical_question_comes_first() -> None:
    vectors = around(3, 12, 0.8)
    [topic] = cluster(vectors, near=0.3).topics
    middle = vectors[list(topic)].mean(axis=0)
    assert list(topic) == sorted(topic, key=lambda at: -float(vectors[at] @ middle))


@pytest.mark.parametrize("count", [0, 1, SMALLEST - 1])
def test_too_few_make_no_topic(count: int) -> None:
    found = cluster(around(0, count, 0.1), near=0.5)
    assert found.topics == ()
    assert found.alone == tuple(range(count))
    assert place(around(0, 2, 0.1), found.middles, 0.5) == [None, None]


def test_texts_without_words_are_near_nothing() -> None:
    assert cluster(np.zeros((9, 4), np.float32), near=0.3).topics == ()


def test_a_thousand_questions_take_a_moment_and_have_an_end() -> None:
    vectors = np.concatenate([around(middle, 33, 0.5) for middle in range(31)])
    began = time.monotonic()
    found = cluster(vectors, near=0.6)
    assert time.monotonic() - began < 20
    assert len(found.topics) <= MOST_TOPICS
    assert sum(map(len, found.topics)) + len(found.alone) == len(vectors)
