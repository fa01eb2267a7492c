"""Whole runs of preference tuning on a tiny decoder: margins rise, kills change nothing, an adapter goes on."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from edgellm.errors import TrainingError
from edgellm.train.checkpoint import Checkpoints
from edgellm.train.rows import Pair, Row, RowSets
from edgellm.train.settings import settings_for
from edgellm.train.spec import Stepped, Validated
from edgellm.train.trainer import Trainer
from tests.unit.train.tiny import rows, tiny_decoder

GOOD, BAD = 7, 23
OBJECTIVES = ("dpo", "orpo", "kto")


def taste(count: int, first: int) -> tuple[Pair, ...]:
    """Good answers are of one token, bad ones of another, whatever the prompt."""
    made = []
    for number in range(first, first + count):
        prompt = (1, 2 + number % 5, 10 + number % 9, 30 + number % 7)
        good, bad = (Row((*prompt, *[said] * 3), ((4, 7),)) for said in (GOOD, BAD))
        made.append(Pair(good, bad, True) if number % 2 else Pair(bad, good, False))
    return tuple(made)


def sets(objective: str) -> RowSets:
    train, valid = taste(12, 0), taste(6, 40)
    if objective != "kto":
        train, valid = (
            tuple(pair if pair.is_good else Pair(pair.other, pair.answer) for pair in some) for some in (train, valid)
        )
    return RowSets(train=(), pairs=train, valid_pairs=valid, anchors=tuple(rows(5, seed=5)))


def trainer(folder: Path, objective: str = "dpo", *, start: Path | None = None, **changes: Any) -> Trainer:
    small = {"rank": 4, "steps": 12, "batch_rows": 4, "learning_rate": 2e-3, "checkpoint_steps": 4, "valid_steps": 4}
    return Trainer(
        tiny_decoder(),
        sets(objective),
        settings_for("balanced", **{"objective": objective, **small, **changes}),
        Checkpoints(folder / "checkpoints"),
        plan_hash="plan",
        start=start,
        reference=folder / "reference",
    )


def losses(made: Trainer) -> list[float]:
    return [said.loss for said in made.run() if isinstance(said, Stepped)]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_margins_rise_on_held_out_pairs(tmp_path: Path, objective: str) -> None:
    said = list(trainer(tmp_path, objective, steps=24).run())
    measured = [each for each in said if isinstance(each, Validated)]
    assert [each.step for each in measured] == [0, 4, 8, 12, 16, 20, 24]
    first, last = measured[0], measured[-1]
    assert last.measures["margin"] > first.measures["margin"] + 0.1
    assert last.measures["accuracy"] == 1.0
    assert last.loss < first.loss
    assert abs(first.measures["kl"]) < 1e-4 < last.measures["kl"]
    steps = [each for each in said if isinstance(each, Stepped)]
    assert steps[-1].measures["margin"] > steps[0].measures["margin"]


def test_before_the_first_step_nothing_is_preferred(tmp_path: Path) -> None:
    said = next(iter(trainer(tmp_path).run()))
    assert isinstance(said, Validated)
    assert said.loss == pytest.approx(math.log(2), abs=1e-5)
    assert said.measures["margin"] == pytest.approx(0, abs=1e-5)
    assert not said.is_best


@pytest.mark.parametrize(("objective", "changes"), [
    ("dpo", {}), ("orpo", {}), ("kto", {}), ("dpo", {"dropout": 0.2}), ("kto", {"layers": 2}),
    ("dpo", {"accumulate": 2}),
])  # fmt: skip
@pytest.mark.parametrize("cut", [2, 6, 11])
def test_a_run_that_was_killed_goes_on_to_the_same_loss(
    tmp_path: Path, cut: int, objective: str, changes: dict[str, Any]
) -> None:
    whole = losses(trainer(tmp_path / "whole", objective, **changes))
    killed = trainer(tmp_path / "killed", objective, **changes)
    steps = (said for said in killed.run() if isinstance(said, Stepped))
    assert len(list(itertools.islice(steps, cut))) == cut  # and no last save
    second = trainer(tmp_path / "killed", objective, **changes)
    at = second.resume()
    assert at <= cut
    assert losses(second) == pytest.approx(whole[at:], abs=1e-5)


def test_a_run_that_goes_on_compares_with_what_was_kept(tmp_path: Path) -> None:
    losses(trainer(tmp_path, steps=4))
    kept = (tmp_path / "reference").read_bytes()
    again = trainer(tmp_path, steps=8)
    again.resume()
    losses(again)
    assert (tmp_path / "reference").read_bytes() == kept


def test_orpo_needs_no_reference(tmp_path: Path) -> None:
    losses(trainer(tmp_path, "orpo", steps=1))
    assert not (tmp_path / "reference").exists()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_loss_that_is_no_number_stops_and_leaves_the_last_checkpoint(tmp_path: Path, objective: str) -> None:
    made = trainer(tmp_path, objective)
    steps = (said for said in made.run() if isinstance(said, Stepped))
    assert [next(steps).step for _ in range(5)][-1] == 5
    poisoned = made._model.blk[0].attn_q
    poisoned.lora_b = mx.full(poisoned.lora_b.shape, float("nan"))
    with pytest.raises(TrainingError, match="loss of step 6 is nan"):
        next(steps)
    assert trainer(tmp_path, objective).resume() == 4


def test_an_adapter_goes_on_where_it_was(tmp_path: Path) -> None:
    losses(trainer(tmp_path / "first", "dpo"))
    start = tmp_path / "first" / "checkpoints" / "step-00000012" / "weights.safetensors"
    second = trainer(tmp_path / "second", "orpo", start=start)
    measured = next(iter(second.run()))
    plain = next(iter(trainer(tmp_path / "plain", "orpo").run()))
    assert isinstance(measured, Validated)
    assert isinstance(plain, Validated)
    assert measured.measures["margin"] > plain.measures["margin"] + 0.1, "it begins with what was learnt"
    assert abs(measured.measures["kl"]) < 1e-4, "and is compared with that"


def test_an_adapter_of_another_form_is_refused(tmp_path: Path) -> None:
    losses(trainer(tmp_path, steps=1))
    start = tmp_path / "checkpoints" / "step-00000001" / "weights.safetensors"
    with pytest.raises(TrainingError, match="does not fit what learns"):
        trainer(tmp_path / "other", start=start, rank=2)
    with pytest.raises(TrainingError, match="does not fit what learns"):
        trainer(tmp_path / "other", start=start, layers=1)
    start.write_bytes(b"cut off")
    with pytest.raises(TrainingError, match="cannot be read"):
        trainer(tmp_path / "other", start=start)


def test_every_weight_may_learn_from_pairs(tmp_path: Path) -> None:
    said = list(trainer(tmp_path, method="full", learning_rate=5e-4, steps=16).run())
    measured = [each for each in said if isinstance(each, Validated)]
    assert measured[-1].measures["margin"] > measured[0].measures["margin"]
    assert "kl" not in measured[-1].measures, "the head that it would be measured under has changed"
