"""The starter tuned by preferences for real: losses of the plain way, margins that rise, a run that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import psutil
import pytest
from mlx import nn
from mlx.utils import tree_flatten, tree_map

from edgellm.events import Finished, JobEvent, Measured
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.store import JobState
from edgellm.train.base import open_base
from edgellm.train.lora import make_learning
from edgellm.train.objective import Objective, Share
from edgellm.train.preference.goal import preference_goal
from edgellm.train.preference.reference import take_reference
from edgellm.train.ring import addresses, loopback, ring_environment
from edgellm.train.rows import Pair, Row, RowSets
from edgellm.train.settings import TrainSettings, settings_for
from edgellm.train.values import number
from tests.live.starter import starter_path
from tests.unit.train.preference.plain import plain_loss
from tests.unit.train.preference.test_runs import losses as tiny_losses
from tests.unit.train.preference.test_runs import trainer as tiny_trainer

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

PLACES = ("Orrin", "Tarn", "Velm", "Sarn", "Holt", "Brack", "Fenn", "Loam", "Quill", "Dray", "Marl", "Pike",
          "Rook", "Stead", "Thorn", "Ulver", "Wick", "Yarrow", "Ash", "Birk", "Cove", "Dell", "Elm",
          "Ford")  # fmt: skip
FEW: dict[str, Any] = {
    "anchors": 0, "batch_rows": 4, "steps": 5, "checkpoint_steps": 100, "valid_steps": 100, "layers": 4,
    "learning_rate": 2e-4,
}  # fmt: skip
SAME = 1e-5
SAME_SLOPES = 2e-4
"""Beside the largest one: 1e-4 was found, float32 after 30 layers, where the slopes of two answers nearly cancel."""


def pairs() -> list[dict[str, str]]:
    """Short answers are preferred to long ones."""
    return [
        {
            "prompt": f"Where is {place}?",
            "chosen": f"{place} is in the north.",
            "rejected": f"That is a great question! Let me tell you about {place}, which is in the north.",
        }
        for place in PLACES
    ]


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    home = tmp_path_factory.mktemp("preferences")
    with EdgeLLM("starter", home=home, settings=Settings(context_tokens=1024, threads=1)) as made:
        yield made


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "taste.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in pairs()))
    return path


def settings(**changes: Any) -> TrainSettings:
    return settings_for("balanced", **{"objective": "dpo", **FEW, **changes})


def finish(edge: EdgeLLM, job_id: str) -> tuple[dict[str, Any], list[float]]:
    """The result and the loss of each step."""
    events = list(edge.jobs.follow(job_id))
    last = events[-1]
    assert isinstance(last, Finished), last
    return last.result, losses(events)


def losses(events: list[JobEvent]) -> list[float]:
    return [event.values["loss"] for event in events if isinstance(event, Measured) and "loss" in event.values]


@pytest.fixture(scope="module")
def whole(edge: EdgeLLM, file: Path) -> tuple[dict[str, Any], list[float]]:
    """A run that nothing disturbs."""
    return finish(edge, edge.training.start(file, "starter", "taste", settings()).id)


def test_margins_rise_on_held_out_pairs(whole: tuple[dict[str, Any], list[float]]) -> None:
    result, found = whole
    told = result["losses"]
    assert found[0] == pytest.approx(np.log(2), abs=1e-3)
    assert (told["valid_margin_first"], told["valid_margin_last"] > 0.5) == (pytest.approx(0, abs=1e-3), True)
    assert told["valid_accuracy_last"] >= 0.8
    assert 0 <= told["valid_kl_last"] < 1.0
    assert result["preference"]["held_out"] >= 5
    manifest = json.loads((Path(result["path"]) / "manifest.json").read_text())
    plan = manifest["plan"]
    assert (plan["objective"], plan["beta"], plan["reference"]) == ("dpo", 0.1, "starter")
    assert manifest["losses"]["valid_margin_last"] == told["valid_margin_last"]
    assert {"adapter.gguf", "adapter.safetensors", "peft"} <= {path.name for path in Path(result["path"]).iterdir()}


@pytest.mark.long
def test_a_run_that_is_killed_goes_on_to_the_same_losses(
    edge: EdgeLLM, file: Path, whole: tuple[dict[str, Any], list[float]]
) -> None:
    job = edge.training.start(file, "starter", "killed", settings(checkpoint_steps=2))
    seen: list[JobEvent] = []
    for event in edge.jobs.follow(job.id):
        seen.append(event)
        if len(losses(seen)) == 3 and losses([event]):
            pid = edge.jobs.get(job.id).pid
            assert pid is not None
            runner = psutil.Process(pid)
            for process in [runner, *runner.children(recursive=True)]:
                process.send_signal(signal.SIGKILL)
    assert edge.jobs.get(job.id).state is JobState.FAILED
    result, found = finish(edge, edge.jobs.resume(job.id).id)
    assert found == pytest.approx(whole[1], abs=SAME)
    assert result["losses"]["valid_margin_last"] == pytest.approx(whole[0]["losses"]["valid_margin_last"], abs=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("objective", ["orpo", "kto"])
def test_an_adapter_goes_on_by_another_objective(
    edge: EdgeLLM, file: Path, whole: tuple[dict[str, Any], list[float]], objective: str
) -> None:
    chosen = settings(objective=objective, steps=3, rank=64)
    result, _ = finish(edge, edge.training.start(file, whole[0]["model"], objective, chosen).id)
    told = result["losses"]
    assert told["valid_margin_last"] > told["valid_margin_first"]
    assert told["valid_kl_first"] == pytest.approx(0, abs=1e-4)
    manifest = json.loads((Path(result["path"]) / "manifest.json").read_text())
    assert (manifest["plan"]["start"], manifest["plan"]["rank"]) == ("starter@taste", 16)
    assert manifest["plan"].get("reference") == ("starter@taste" if objective == "kto" else None)


@pytest.mark.long
@pytest.mark.parametrize("objective", ["dpo", "orpo", "kto"])
def test_losses_and_gradients_on_the_starter_are_those_of_the_plain_way(objective: str) -> None:
    model, base = open_base(Path(starter_path())), open_base(Path(starter_path()))
    chosen = settings(objective=objective, layers=2, rank=4)
    spoken = [tuple((7919 * at + 31 * row) % 40_000 + 20 for at in range(14)) for row in range(4)]
    rows = [Row(tokens, ((8, 10 + at),)) for at, tokens in enumerate(spoken)]
    units = [Pair(rows[0], Row((*rows[0].tokens[:8], 900, 901), ((8, 10),)), True),
             Pair(rows[1], Row((*rows[1].tokens[:8], 902, 903, 904), ((8, 11),)), False)]  # fmt: skip
    make_learning(model, chosen)
    goal = preference_goal(
        chosen, RowSets(train=(), pairs=tuple(units)), lambda some: take_reference(model, some, None, "")
    )
    objective_of = Objective(model, goal, (), 0.0)
    mx.random.seed(1)
    model.update(tree_map(lambda x: x + 0.003 * mx.random.normal(x.shape), model.trainable_parameters()))
    share = Share(units)
    baseline = number(objective_of.baseline(units, units))
    found, slopes = objective_of.gradients(share, share, baseline)
    wanted, theirs = nn.value_and_grad(model, lambda model: plain_loss(model, base, units, chosen))(model)
    assert found[0].item() == pytest.approx(wanted.item(), abs=1e-5)
    ours, largest = dict(tree_flatten(slopes)), max(number(abs(value).max()) for _, value in tree_flatten(theirs))
    for name, value in tree_flatten(theirs):
        np.testing.assert_allclose(ours[name] / largest, value / largest, atol=SAME_SLOPES, err_msg=name)
    assert largest > 1e-3, "equal zeros would say nothing"


RANK = """
import json, sys
from pathlib import Path
from tests.unit.train.preference.test_runs import losses, trainer
print(json.dumps(losses(trainer(Path(sys.argv[1]), sys.argv[2]))))
"""


@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_two_processes_reach_the_losses_of_one(tmp_path: Path, objective: str) -> None:
    listed = addresses(loopback(2))
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(tmp_path / "two"), objective],
            env={**os.environ, **ring_environment(tmp_path, listed, rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    found = [json.loads(rank.communicate(timeout=120)[0]) for rank in ranks]
    alone = tiny_losses(tiny_trainer(tmp_path / "one", objective))
    assert found[0] == found[1]
    assert found[0] == pytest.approx(alone, abs=1e-4)
