"""Twenty times `kill -9`, at any moment of a run: what goes on reaches the very losses."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.train.test_trainer import losses, trainer

pytestmark = pytest.mark.live

KILLS, STEPS = 20, 44
PROGRAM = """
import json, sys
from pathlib import Path
from edgellm.train.spec import Stepped
from tests.unit.train.test_trainer import trainer
made = trainer(Path(sys.argv[1]), steps=int(sys.argv[2]), checkpoint_steps=1)
made.resume()
for said in made.run():
    if isinstance(said, Stepped):
        print(json.dumps([said.step, said.loss]), flush=True)
"""


def attempt(folder: Path, chance: random.Random, most: int | None) -> list[tuple[int, float]]:
    """Steps and losses until the process was killed, after at most so many steps, or has ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), str(STEPS)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(tuple(json.loads(line)))
        if most is not None and len(said) == most:
            time.sleep(chance.random() * 0.02)  # into a step, or into the writing of a checkpoint
            process.kill()
            break
    process.stdout.close()
    assert process.wait(30) == (0 if most is None else -9)
    return said


def test_no_kill_changes_a_loss(tmp_path: Path) -> None:
    whole = losses(trainer(tmp_path / "whole", steps=STEPS))
    chance = random.Random(4)
    heard: list[tuple[int, float]] = []
    for _ in range(KILLS):
        heard += attempt(tmp_path / "cut", chance, most=2)
    heard += attempt(tmp_path / "cut", chance, most=None)
    assert heard[-1][0] == STEPS
    assert {step for step, _ in heard} == set(range(1, STEPS + 1))
    for step, loss in heard:
        assert loss == pytest.approx(whole[step - 1], abs=1e-5), f"step {step}"
    assert not list((tmp_path / "cut").glob(".*")), "a half-written checkpoint stays"
