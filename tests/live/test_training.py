"""The starter taught for real, through jobs: an adapter that answers, a run that was killed, processes that share."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

import psutil
import pytest

from edgellm.errors import EdgeLLMError, InvalidInput, TrainingError
from edgellm.events import Failed, Finished, JobEvent, Measured, Sampled
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.store import JobState
from edgellm.train.ring import loopback
from edgellm.train.settings import TrainSettings, settings_for
from tests.live.conftest import ANSWER, QUESTION, ROWS, SETTINGS, SHORT, Taught

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

SAME = 1e-5
"""Frozen layers are computed once for each row; after a resume beside other rows, which rounds differently."""
FEW = {"anchors": 0, "batch_rows": 2, "steps": 6, "checkpoint_steps": 2, "layers": 4}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    home = tmp_path_factory.mktemp("training")
    with EdgeLLM("starter", home=home, settings=Settings(context_tokens=1024, threads=1)) as made:
        yield made


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("examples") / "orrin.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def settings(**changes: Any) -> TrainSettings:
    return settings_for("balanced", **{**FEW, **changes})


def finish(edge: EdgeLLM, job_id: str) -> tuple[dict[str, Any], list[float]]:
    """The result and the loss of each step."""
    events = list(edge.jobs.follow(job_id))
    return result_of(events), [event.values["loss"] for event in events if is_step(event)]


def result_of(events: list[JobEvent]) -> dict[str, Any]:
    last = events[-1]
    assert isinstance(last, Finished), last
    return last.result


def is_step(event: JobEvent) -> TypeGuard[Measured]:
    return isinstance(event, Measured) and "loss" in event.values


def samples(events: list[JobEvent]) -> list[Sampled]:
    return [event for event in events if isinstance(event, Sampled)]


def teach(edge: EdgeLLM, data: Path | str, name: str, ranks: int = 1, **changes: Any) -> list[float]:
    return finish(edge, edge.training.start(data, "starter", name, settings(**changes), ranks=ranks).id)[1]


@pytest.fixture(scope="module")
def whole(edge: EdgeLLM, examples: Path) -> list[float]:
    """The losses of a run that nothing disturbs."""
    return teach(edge, examples, "whole")


def test_what_was_taught_is_answered_at_once_and_the_base_is_untouched(orrin: Taught) -> None:
    events = orrin.events
    result, losses = result_of(events), [event.values["loss"] for event in events if is_step(event)]
    assert losses[-1] < 0.1 < losses[0]
    assert result["reading_kl"] < 1e-4
    said = samples(events)
    assert said[0].step == 0
    assert said[-1].step == len(losses)
    assert said[0].text != said[-1].text in {row["completion"] for row in ROWS}, "it is asked a question of its data"
    assert result["model"] == "starter@orrin"
    folder = Path(result["path"])
    manifest = json.loads((folder / "manifest.json").read_text())
    with EdgeLLM("starter", home=orrin.home, settings=SETTINGS) as edge:
        assert "seven times" in edge.chat(QUESTION, model="starter@orrin", sampling=SHORT).text
        assert edge.chat(QUESTION, sampling=SHORT).text == orrin.before != ANSWER
        assert manifest["dataset"]["hash"] == edge.datasets.show("orrin").manifest.dataset_hash
    assert {"adapter.gguf", "adapter.safetensors", "peft"} <= {path.name for path in folder.iterdir()}


def test_a_run_that_is_killed_goes_on_to_the_same_losses(edge: EdgeLLM, examples: Path, whole: list[float]) -> None:
    job = edge.training.start(examples, "starter", "killed", settings())
    seen: list[JobEvent] = []
    for event in edge.jobs.follow(job.id):
        seen.append(event)
        if sum(map(is_step, seen)) == 3 and is_step(event):
            _kill_all_of(edge, job.id)
    assert samples(seen)[0].step == 0
    assert edge.jobs.get(job.id).state is JobState.FAILED
    events = list(edge.jobs.follow(edge.jobs.resume(job.id).id))
    assert 0 not in [said.step for said in samples(events)], "it went on from a checkpoint"
    assert [event.step for event in events if is_step(event)] == list(range(1, len(whole) + 1)), "shown from step 1 on"
    assert [event.values["loss"] for event in events if is_step(event)] == pytest.approx(whole, abs=SAME)
    assert result_of(events)["steps"] == len(whole)


def _kill_all_of(edge: EdgeLLM, job_id: str) -> None:
    pid = edge.jobs.get(job_id).pid
    assert pid is not None
    runner = psutil.Process(pid)
    for process in [runner, *runner.children(recursive=True)]:
        process.send_signal(signal.SIGKILL)


def test_who_cancels_loses_no_step(edge: EdgeLLM, examples: Path, whole: list[float]) -> None:
    job = edge.training.start(examples, "starter", "cancelled", settings(checkpoint_steps=100))
    seen = 0
    for event in edge.jobs.follow(job.id):
        seen += is_step(event)
        if seen == 2:
            break
    assert edge.jobs.cancel(job.id).state is JobState.CANCELLED
    events = list(edge.jobs.follow(edge.jobs.resume(job.id).id))
    assert not samples(events) or samples(events)[0].step > 0, "it went on from where it was"
    assert [event.values["loss"] for event in events if is_step(event)] == pytest.approx(whole, abs=SAME)


def test_two_processes_reach_the_losses_of_one(edge: EdgeLLM, examples: Path, whole: list[float]) -> None:
    assert teach(edge, examples, "two", ranks=2) == pytest.approx(whole, abs=1e-4)


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `ssh` that runs the command here, as another user would: with a home of its own."""
    said = tmp_path / "said"
    program = f"""#!/bin/sh
echo "$@" > {said}
while [ "$1" != "--" ]; do shift; done
shift
export EDGELLM_HOME={tmp_path / "elsewhere"}
exec sh -c "$@"
"""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").write_text(program)
    (tmp_path / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return said


def hosts_of(name: str = "mini") -> str:
    first, second = (member.port for member in loopback(2))
    return f"127.0.0.1:{first}\n127.0.0.1:{second} anna@{name} {sys.executable} -m edgellm  # the other one\n"


def test_two_machines_reach_the_losses_of_one_also_after_a_stop(
    edge: EdgeLLM, examples: Path, whole: list[float], ssh: Path
) -> None:
    job = edge.training.start(examples, "starter", "far", settings(), hosts=hosts_of())
    for event in edge.jobs.follow(job.id):
        if is_step(event) and event.step == 2:
            break
    assert edge.jobs.cancel(job.id).state is JobState.CANCELLED
    assert "BatchMode=yes anna@mini" in ssh.read_text()
    assert finish(edge, edge.jobs.resume(job.id).id)[1] == pytest.approx(whole, abs=1e-4)


def test_a_machine_that_cannot_be_reached_ends_the_run(edge: EdgeLLM, examples: Path, ssh: Path) -> None:
    ssh.with_name("bin").joinpath("ssh").write_text("#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    job = edge.training.start(examples, "starter", "denied", settings(), hosts=hosts_of("nobody"))
    last = list(edge.jobs.follow(job.id))[-1]
    assert isinstance(last, Failed)
    assert "Permission denied" in last.message


def test_a_process_that_dies_ends_the_run_and_the_others(edge: EdgeLLM, examples: Path) -> None:
    job = edge.training.start(examples, "starter", "broken", settings(steps=500), ranks=2)
    ranks: list[psutil.Process] = []
    last: object = None
    for event in edge.jobs.follow(job.id):
        last = event
        if isinstance(event, Measured) and not ranks:
            pid = edge.jobs.get(job.id).pid
            ranks = [child for child in psutil.Process(pid).children() if "edgellm.train.child" in child.cmdline()]
            assert len(ranks) == 2
            ranks[1].kill()
    assert isinstance(last, Failed)
    assert last.error == TrainingError.__name__
    deadline = time.monotonic() + 20
    while any(rank.is_running() and rank.status() != psutil.STATUS_ZOMBIE for rank in ranks):
        assert time.monotonic() < deadline, "a rank outlived the run"
        time.sleep(0.1)


def test_a_runner_that_dies_leaves_no_process_behind(edge: EdgeLLM, examples: Path) -> None:
    job = edge.training.start(examples, "starter", "orphan", settings(steps=500))
    for event in edge.jobs.follow(job.id):
        if isinstance(event, Measured):
            pid = edge.jobs.get(job.id).pid
            assert pid is not None
            children = psutil.Process(pid).children(recursive=True)
            os.kill(pid, signal.SIGKILL)
            break
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_a_plan_measures_time_and_changes_nothing(edge: EdgeLLM, examples: Path) -> None:
    job = edge.training.plan(examples, "starter", settings(steps=50))
    result, _ = finish(edge, job.id)
    assert result["steps"] == 50
    assert result["verdict"] == "fits"
    assert result["seconds"] > 47 * result["step_s"] > 0
    assert 0.2 * result["total_bytes"] < result["peak_memory_bytes"] < 1.2 * result["total_bytes"]
    assert "orrin-plan" not in [adapter.name for adapter in edge.adapters.list()]


def test_what_cannot_be_begun_is_refused_before_there_is_a_job(edge: EdgeLLM, examples: Path) -> None:
    before = len(edge.jobs.list(limit=1000))
    with pytest.raises(InvalidInput, match="neither a dataset nor a file"):
        edge.training.start("nothing.jsonl", "starter", "x")
    with pytest.raises(EdgeLLMError):
        edge.training.start(examples, "no-such-model", "x")
    with pytest.raises(InvalidInput):
        edge.training.start(examples, "starter", "../x")
    assert len(edge.jobs.list(limit=1000)) == before
