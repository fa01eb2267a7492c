"""Splits: by content, groups whole, stable."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.data.rows import content_id
from edgellm.data.split import split


def ids(count: int, salt: int = 0) -> list[str]:
    return [content_id([salt, number]) for number in range(count)]


def alone(count: int) -> list[int]:
    return list(range(count))


def test_shares_are_kept_on_many_rows() -> None:
    sizes = Counter(split(ids(20_000), alone(20_000), 0.05, 0.1))
    assert abs(sizes["valid"] - 1000) < 150
    assert abs(sizes["test"] - 2000) < 200


@pytest.mark.parametrize(("count", "share"), [(0, 0.4), (1, 0.4), (12, 0.4), (60, 0.05), (99, 0.05)])
def test_a_handful_is_all_trained_on(count: int, share: float) -> None:
    assert split(ids(count), alone(count), share, share) == ["train"] * count


@given(st.integers(100, 160), st.integers(0, 10_000))
def test_a_hundred_rows_have_something_to_validate_and_to_train_on(count: int, salt: int) -> None:
    sizes = Counter(split(ids(count, salt), alone(count), 0.05, 0.05))
    assert sizes["valid"] >= 1
    assert sizes["train"] >= count // 2


@given(st.lists(st.integers(0, 30), min_size=25, max_size=80), st.integers(0, 10_000))
def test_a_group_is_never_torn(labels: list[int], salt: int) -> None:
    groups = [labels.index(label) for label in labels]
    chosen = split(ids(len(labels), salt), groups, 0.2, 0.2)
    assert len({(group, name) for group, name in zip(groups, chosen, strict=True)}) == len(set(groups))
    if len(set(groups)) > 1:
        assert {"train", "valid"} <= set(chosen)


def test_rows_that_are_added_move_none() -> None:
    few, many = split(ids(1000), alone(1000), 0.05, 0.05), split(ids(1500), alone(1500), 0.05, 0.05)
    assert many[:1000] == few


def test_a_large_group_is_trained_on() -> None:
    groups = [0] * 500 + list(range(500, 1000))
    for salt in range(30):
        assert split(ids(1000, salt), groups, 0.4, 0.4)[0] == "train"


def test_nothing_is_held_out_when_nobody_asks() -> None:
    assert set(split(ids(100), alone(100), 0.0, 0.0)) == {"train"}
