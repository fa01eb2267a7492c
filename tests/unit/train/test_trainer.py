"""Whole runs on a tiny decoder: they learn, stop, go on, and refuse to go on from the wrong place."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx.utils import tree_map

from edgellm import disk_space
from edgellm.errors import DiskFull, TrainingError
from edgellm.train.checkpoint import Checkpoints
from edgellm.train.rows import RowSets
from edgellm.train.settings import TrainSettings, settings_for
from edgellm.train.spec import Stepped, Validated
from edgellm.train.trainer import Trainer
from tests.unit.train.tiny import rows, tiny_decoder

LION = {"optimizer": "lion", "learning_rate": 1e-3}
SGD = {"optimizer": "sgd", "learning_rate": 0.5}
SETS = RowSets(train=tuple(rows(12)), valid=tuple(rows(4, seed=9)), anchors=tuple(rows(5, seed=5)))


def settings(**changes: object) -> TrainSettings:
    small = {"rank": 4, "steps": 12, "batch_rows": 4, "learning_rate": 5e-3, "checkpoint_steps": 4, "valid_steps": 6}
    return settings_for("balanced", **{**small, **changes})


def trainer(
    folder: Path, *, plan_hash: str = "a", should_stop: Callable[[], bool] = lambda: False, **changes: Any
) -> Trainer:
    return Trainer(
        tiny_decoder(), SETS, settings(**changes), Checkpoints(folder), plan_hash=plan_hash, should_stop=should_stop
    )


def losses(made: Trainer) -> list[float]:
    return [said.loss for said in made.run() if isinstance(said, Stepped)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        LION,
        SGD,
        {"method": "dora"},
        {"method": "full", "anchors": 0, "learning_rate": 1e-3},
        {"layers": 1},
        {"dropout": 0.1},
        {"has_gradient_checkpointing": True},
        {"accumulate": 2, "batch_rows": 2},
        {"targets": ("attn_q", "attn_v"), "learning_rate": 2e-2},
    ],
    ids=str,
)
def test_the_loss_falls(tmp_path: Path, changes: dict[str, Any]) -> None:
    found = losses(trainer(tmp_path, steps=30, **changes))
    assert len(found) == 30
    assert sum(found[-3:]) < 0.85 * sum(found[:3])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dropout": 0.2},
        {"dropout": 0.2, "has_gradient_checkpointing": True},
        {"method": "dora"},
        {"layers": 2},
        LION,
        SGD,
    ],
    ids=str,
)
@pytest.mark.parametrize("cut", [1, 5, 8, 11])
def test_a_run_that_was_killed_goes_on_to_the_same_loss(tmp_path: Path, cut: int, changes: dict[str, Any]) -> None:
    whole = losses(trainer(tmp_path / "whole", **changes))
    killed = trainer(tmp_path / "killed", **changes)
    done = [said for said in itertools.islice(killed.run(), cut) if isinstance(said, Stepped)]  # and no last save
    second = trainer(tmp_path / "killed", **changes)
    at = second.resume()
    assert at <= len(done)
    assert losses(second) == whole[at:]


def test_a_run_stops_within_a_step_and_keeps_it(tmp_path: Path) -> None:
    seen = itertools.count()
    stopped = trainer(tmp_path, should_stop=lambda: next(seen) >= 3)
    assert len(losses(stopped)) == 3
    assert trainer(tmp_path).resume() == 3


def test_a_loss_that_is_no_number_stops_and_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    steps = (said for said in made.run() if isinstance(said, Stepped))
    assert [next(steps).step for _ in range(5)][-1] == 5
    poisoned = made._model.blk[0].attn_q  # what an overflow would leave behind
    poisoned.lora_b = mx.full(poisoned.lora_b.shape, float("nan"))
    with pytest.raises(TrainingError, match="loss of step 6 is nan"):
        next(steps)
    assert trainer(tmp_path).resume() == 4


def test_a_gradient_that_is_no_number_is_not_taken_as_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer(tmp_path)
    steps = (said for said in made.run() if isinstance(said, Stepped))
    assert [next(steps).step for _ in range(5)][-1] == 5
    right = made._gradients
    monkeypatch.setattr(made, "_gradients", lambda shares: (right(shares)[0], tree_map(mx.log, right(shares)[1])))
    with pytest.raises(TrainingError, match="gradient of step 6 is nan"):
        next(steps)
    assert trainer(tmp_path).resume() == 4


def test_a_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    losses(trainer(tmp_path, steps=2))
    with pytest.raises(TrainingError, match="other settings or data"):
        trainer(tmp_path, plan_hash="b").resume()


def test_without_progress_on_the_validation_rows_it_ends_early(tmp_path: Path) -> None:
    made = trainer(tmp_path, steps=200, valid_steps=2, patience=3, learning_rate=2e-2)
    said = list(made.run())
    measured = [item for item in said if isinstance(item, Validated)]
    assert made.is_complete
    assert made.progress.step < 200
    assert [item.is_best for item in measured[-3:]] == [False] * 3
    best = made.progress.best_step
    assert best is not None
    assert Checkpoints(tmp_path).of_step(best).is_dir(), "the best one stays"


def test_anchors_keep_the_model_near_its_base(tmp_path: Path) -> None:
    def straying(weight: float) -> float:
        made = trainer(tmp_path / str(weight), steps=25, anchors=5, anchor_weight=weight)
        return [said.straying for said in made.run() if isinstance(said, Stepped)][-1]

    assert straying(3.0) < 0.5 * straying(1e-6)


def test_the_same_seed_gives_the_same_run_and_another_one_does_not(tmp_path: Path) -> None:
    first, same, other = (losses(trainer(tmp_path / str(at), seed=seed)) for at, seed in enumerate((1, 1, 2)))
    assert first == same != other


def test_a_full_disk_leaves_the_checkpoint_before_and_the_run_goes_on_from_it(tmp_path: Path) -> None:
    whole = losses(trainer(tmp_path / "whole"))
    program = f"""
import resource, signal
from pathlib import Path
from tests.unit.train.test_trainer import trainer
made = trainer(Path({str(tmp_path / "cut")!r}))
for said in made.run():
    if made.progress.step == 5:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # no file grows longer: as on a full disk
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "DiskFull: The checkpoint of step 6 could not be written" in run.stderr
    assert "the checkpoint of step 4 is whole" in run.stderr
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["step-00000004"]
    again = trainer(tmp_path / "cut")
    assert again.resume() == 4
    assert losses(again) == pytest.approx(whole[4:], abs=1e-5)


def test_a_disk_without_room_is_found_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space, "free_bytes", lambda _folder: 1000)
    with pytest.raises(DiskFull, match="only"):
        losses(trainer(tmp_path))
    assert not list(tmp_path.glob("*/*"))
