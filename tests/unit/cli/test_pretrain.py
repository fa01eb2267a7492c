"""`edgellm pretrain`: what is asked of the SDK, and what is shown."""

from __future__ import annotations

import json
from typing import Any

from edgellm.events import Failed, Finished, JobEvent, Measured, Progressed, Started
from edgellm.sdk.pretraining import PretrainRequest
from edgellm.store import StoredJob
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge, FakeJobs

RESULT: dict[str, Any] = {
    "model": "tales", "parameters": 3_000_384, "losses": {"first": 8.32, "last": 3.1, "valid_best": 3.25},
    "chars": 1_200_000, "files": 4, "epochs": 2.5, "train_s": 600.0, "tokens_per_s": 2400.0,
    "peak_memory_bytes": 900_000_000, "sample": "Once\x1b[2J upon", "notes": ["1 file was skipped: noise.txt"],
}  # fmt: skip


class FakePretraining:
    """Begins a job that has the scripted events."""

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.asked: list[PretrainRequest] = []

    def start(self, request: PretrainRequest) -> StoredJob:
        self.asked.append(request)
        return self._jobs.start("pretrain", f"Make {request.name}", {})


class Edge(FakeEdge):
    """The scripted SDK with pretraining."""

    def __init__(self, *events: JobEvent) -> None:
        super().__init__()
        self.jobs.events = list(events)
        self.pretraining = FakePretraining(self.jobs)


def bench(*events: JobEvent) -> Bench:
    return Bench(edge=Edge(*events), environment={"COLUMNS": "120"})


def asked(at: Bench) -> list[PretrainRequest]:
    assert isinstance(at.edge, Edge)
    return at.edge.pretraining.asked


def test_a_model_is_shown_with_what_it_writes() -> None:
    at = bench(
        Started(title="Making tales", total=20, unit="steps"),
        Measured(step=1, values={"loss": 8.32}),
        Progressed(done=1, total=20, note="loss 8.320"),
        Finished(result=RESULT),
    )
    assert at.run("pretrain", "books", "--name", "tales", "--parameters", "800k", "--minutes", "2") == 0
    assert asked(at) == [PretrainRequest(folder="books", name="tales", parameters=800_000, minutes=2.0)]
    assert "made  tales  3.0 million parameters, loss 8.32 to 3.10, 3.25 on held-out text" in at.out
    assert "1.2 million characters in 4 files, 2.5 times; 10:00, 2400 tokens a second" in at.out
    assert "Once" in at.out
    assert "\x1b[2J" not in at.out
    assert "noise.txt" in at.err
    assert "edgellm chat -m tales" in at.err


def test_json_is_the_whole_result() -> None:
    at = bench(Finished(result=RESULT))
    assert at.run("pretrain", "books", "--name", "tales", "--json") == 0
    assert json.loads(at.out) == RESULT


def test_a_detached_job_says_how_to_follow_it() -> None:
    at = bench()
    assert at.run("pretrain", "books", "--name", "tales", "--detach", "--iters", "50") == 0
    assert asked(at)[0].steps == 50
    assert "edgellm jobs follow" in at.err


def test_wrong_sizes_are_refused_before_a_job_exists() -> None:
    at = bench()
    assert 1 <= at.run("pretrain", "books", "--name", "tales", "--parameters", "7B") <= 99
    assert not asked(at)
    assert "0.5M to 50M" in at.err


def test_a_failure_is_told() -> None:
    at = bench(Failed(error="DataRejected", message="'books' holds 12 characters of text."))
    assert 1 <= at.run("pretrain", "books", "--name", "tales") <= 99
    assert "12 characters" in at.err
