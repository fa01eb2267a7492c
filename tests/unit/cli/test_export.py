"""`edgellm export` and `edgellm quants`: results for people and programs, exit codes, Ctrl+C."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any, cast

import msgspec
import pytest

from edgellm.cli import export as command
from edgellm.events import Cancelled, Failed, Finished, JobEvent, Started
from edgellm.export import order
from edgellm.store import StoredJob
from tests.tui.fakes.exports import TASK
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge, FakeJobs
from tests.unit.export.samples import exported, manifest

PLAIN: dict[str, Any] = msgspec.to_builtins(manifest(exported("Q8_0", kl=0.004), exported("Q4_0", kl=0.5)))
RESULT = PLAIN | {"path": "/there", "passed": False}


class FakeExports:
    """Begins a job that has the scripted events."""

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.asked: list[dict[str, Any]] = []

    def start(self, model: str, quants: str | None, **said: Any) -> StoredJob:
        self.asked.append({"model": model, "quants": quants, **said})
        return self._jobs.start("export", "Export it", {})

    compare = start


class Edge(FakeEdge):
    """The scripted SDK with exports."""

    def __init__(self, *events: JobEvent) -> None:
        super().__init__()
        self.jobs.events = list(events)
        self.exports = FakeExports(self.jobs)


def bench(*events: JobEvent) -> Bench:
    return Bench(edge=Edge(*events), environment={"COLUMNS": "120"})


def test_each_file_is_shown_with_its_verdict_and_one_failure_is_exit_code_one() -> None:
    at = bench(Started(title="Quantize Q8_0"), Finished(result=RESULT))
    assert at.run("export", "starter@tax", "--quant", "Q8_0,Q4_0") == 1
    assert "m-Q8_0.gguf  1.0 kB  passed   0.0040" in at.out
    assert "m-Q4_0.gguf  1.0 kB  failed   0.5000" in at.out
    assert "/there" in at.out
    assert "warning: Q4_0: The mean KL divergence is 0.5000" in at.err


@pytest.mark.parametrize(
    ("kind", "said"),
    [("gguf", "edgellm chat -m /there/m-Q8_0.gguf"), ("hf", "vllm serve /there"), ("mlx", "mlx_lm.chat --model /there"),
     ("peft", "--lora-modules m=/there")],
)  # fmt: skip
def test_each_kind_is_asked_for_and_says_how_it_is_used(kind: str, said: str) -> None:
    at = bench(Finished(result=RESULT | {"kind": kind, "passed": True}))
    assert at.run("export", "starter@tax", "--to", kind) == 0
    assert isinstance(at.edge, Edge)
    assert at.edge.exports.asked[0]["to"] == kind
    assert said in " ".join(at.err.split())


def test_the_command_offers_every_kind_there_is() -> None:
    assert command.KINDS == order.KINDS


def test_json_is_the_whole_result() -> None:
    at = bench(Finished(result=RESULT | {"passed": True}))
    assert at.run("export", "starter", "--json", "--out", "x", "--text", "y") == 0
    assert json.loads(at.out)["files"][0]["verification"]["comparison"]["kl_mean"] == 0.004
    assert isinstance(at.edge, Edge)
    assert at.edge.exports.asked == [{"model": "starter", "quants": None, "to": "gguf", "text": "y", "out": "x"}]


def test_detached_it_names_the_job() -> None:
    at = bench()
    assert at.run("export", "starter", "--detach") == 0
    assert "edgellm jobs follow job1" in at.err


def test_a_failed_job_ends_with_the_exit_code_of_its_error() -> None:
    at = bench(Failed(error="DiskFull", message="There is no space left."))
    assert at.run("export", "starter") == 9
    assert "There is no space left." in at.err


def test_a_cancelled_job_is_no_success() -> None:
    assert bench(Cancelled()).run("quants", "starter") == 10


def test_work_whose_process_ended_says_how_to_go_on() -> None:
    at = bench(Failed(error="JobError", message="The work broke off: its process ended without a word."))
    assert at.run("export", "starter") == 10
    assert "edgellm jobs resume job1" in at.err


def test_ctrl_c_cancels_the_job() -> None:
    class Interrupted(FakeJobs):
        def follow(self, job_id: str) -> Iterator[JobEvent]:
            raise KeyboardInterrupt(job_id)

    edge = Edge()
    edge.jobs = Interrupted()
    edge.exports = FakeExports(edge.jobs)
    at = Bench(edge=edge)
    assert at.run("export", "starter") == 130
    assert edge.jobs.cancelled == ["job1"]
    assert "edgellm jobs resume job1" in at.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_command_that_is_ended_leaves_the_job_and_names_it(number: signal.Signals, code: int) -> None:
    class Ended(FakeJobs):
        def follow(self, job_id: str) -> Iterator[JobEvent]:  # noqa: ARG002  the SDK's signature
            signal.raise_signal(number)
            yield Finished()

    before = signal.getsignal(number)
    edge = Edge()
    edge.jobs = Ended()
    edge.exports = FakeExports(edge.jobs)
    at = Bench(edge=edge)
    assert at.run("export", "starter") == code
    assert edge.jobs.cancelled == []
    assert "The job job1 goes on. Watch it: edgellm jobs follow job1. Stop it: edgellm jobs cancel job1" in at.err
    assert signal.getsignal(number) == before


def test_quantizations_are_compared_and_one_is_named() -> None:
    result = PLAIN | {"recommended": "Q8_0", "reason": "the closest"}
    at = bench(Finished(result=result))
    assert at.run("quants", "starter") == 0
    lines = at.out.splitlines()
    assert lines[1].startswith("Q8_0   1.0 kB  0.0040     90.0%       21.00      8  ███████████████████")
    assert lines[2].count("█") < lines[1].count("█")
    assert "use  Q8_0  the closest" in at.out


def test_a_suite_is_asked_and_shown_beside_the_measures() -> None:
    result = PLAIN | {"recommended": "Q8_0", "reason": "the closest", "task": TASK}
    at = bench(Finished(result=result))
    assert at.run("quants", "starter", "--suite", "towns") == 0
    assert cast(Edge, at.edge).exports.asked[0]["suite"] == "towns"
    header, best, worse = at.out.splitlines()[:3]
    assert header.split()[:3] == ["QUANT", "SIZE", "SCORE"]
    assert ("90.0%" in best, "55.0%" in worse) == (True, True)
    assert "towns, 40 questions, the same for each:" in at.out
    assert "55.0% (39.8 to 69.3)  -35.0 points (-50.0 to -18.0)  clearly worse" in at.out
    assert "F16 was not asked: 'm-F16' is too large" in at.err


@pytest.mark.parametrize("arguments", [("export",), ("quants",), ("export", "starter", "--to", "zip")])
def test_a_wrong_command_line_is_refused(arguments: tuple[str, ...]) -> None:
    assert bench().run(*arguments) == 2
