"""Rows, their file, and the order in which they are read."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import InvalidInput
from edgellm.train.batch import make_batch
from edgellm.train.batches import BatchPlan, Schedule, batches_of
from edgellm.train.rows import Row, RowSets, read_rows, shared_beginning, write_rows
from tests.unit.train.tiny import rows

SEEDS = st.integers(0, 1000)


def test_a_cut_row_predicts_what_is_left() -> None:
    row = Row((1, 2, 3, 4, 5, 6), ((1, 3), (4, 6)))
    assert row.targets == 4
    assert row.cut(5) == Row((1, 2, 3, 4, 5), ((1, 3), (4, 5)))
    assert row.cut(4).supervised == ((1, 3),)
    assert row.cut(1).targets == 0


def test_rows_come_back_from_their_file(tmp_path: Path) -> None:
    sets = RowSets(train=tuple(rows(3)), anchors=tuple(rows(1)))
    write_rows(tmp_path / "rows", sets)
    assert read_rows(tmp_path / "rows") == sets


@pytest.mark.parametrize("content", [None, b"", b"text", b"\x80"])
def test_another_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "rows"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match="no training rows"):
        read_rows(path)


def test_a_shared_beginning_ends_before_what_predicts() -> None:
    one, other = Row((1, 2, 3, 4), ((3, 4),)), Row((1, 2, 3, 5), ((2, 4),))
    assert shared_beginning([one, other]) == 1, "the token before the first target differs in what it must predict"
    assert shared_beginning([one]) == 0
    assert shared_beginning([one, Row((9, 2, 3), ((1, 2),))]) == 0


@given(seed=SEEDS, shared=st.integers(0, 6))
def test_a_batch_holds_every_target_at_its_place(seed: int, shared: int) -> None:
    chosen = rows(4, seed=seed, shared=shared)
    batch = make_batch(chosen)
    targets = [row.tokens[at] for row in chosen for start, end in row.supervised for at in range(start, end)]
    before = [row.tokens[at - 1] for row in chosen for start, end in row.supervised for at in range(start, end)]
    assert batch.targets.tolist() == targets
    assert batch.tokens[batch.positions].tolist() == before
    assert batch.real_tokens == sum(len(row.tokens) for row in chosen)


@given(seed=SEEDS, size=st.integers(1, 7), tokens=st.integers(1, 100), epoch=st.integers(0, 3))
def test_an_epoch_has_every_row_once_and_no_batch_too_large(seed: int, size: int, tokens: int, epoch: int) -> None:
    chosen = rows(23, seed=seed)
    batches = batches_of(epoch, chosen, BatchPlan(rows=size, tokens=tokens, seed=seed))
    assert sorted(itertools.chain(*batches)) == list(range(23))
    for batch in batches:
        assert len(batch) <= size
        assert len(batch) == 1 or sum(len(chosen[row].tokens) for row in batch) <= tokens
    assert batches == batches_of(epoch, chosen, BatchPlan(rows=size, tokens=tokens, seed=seed))


@given(number=st.integers(0, 40))
def test_the_order_is_the_same_from_any_step_on(number: int) -> None:
    chosen, anchors = rows(9), rows(5, seed=2)
    plan = BatchPlan(rows=4, tokens=1000, anchors=2, seed=3)
    fresh, used = Schedule(chosen, anchors, plan), Schedule(chosen, anchors, plan)
    for earlier in range(number):
        used.batch(earlier), used.anchors(earlier)
    assert (fresh.batch(number), fresh.anchors(number)) == (used.batch(number), used.anchors(number))


def test_every_anchor_has_its_turn_before_one_comes_again() -> None:
    anchors = rows(5, seed=2)
    schedule = Schedule(rows(4), anchors, BatchPlan(rows=2, tokens=1000, anchors=2))
    met = [anchor for step in range(5) for anchor in schedule.anchors(step)]
    assert len(met) == 10
    assert set(met[:5]) == set(met[5:]) == set(anchors)
    assert Schedule(rows(4), (), BatchPlan(rows=2, tokens=1000, anchors=2)).anchors(0) == []
