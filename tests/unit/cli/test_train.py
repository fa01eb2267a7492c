"""`edgellm train`: what is asked of the SDK, what is shown, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgellm.errors import DataRejected, InvalidInput
from edgellm.events import Failed, Finished, JobEvent, Measured, Progressed, Started
from edgellm.store import StoredJob
from edgellm.train.settings import TrainSettings
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge, FakeJobs

RESULT: dict[str, Any] = {
    "adapter": "tax", "model": "starter@tax", "path": "/there", "losses": {"first": 3.2, "last": 0.05},
    "steps": 20, "tokens": 9000, "tokens_per_s": 180.0, "train_s": 50.0, "peak_memory_bytes": 2_000_000_000, "blas": "",
}  # fmt: skip
NOTES = ["read as csv of prompt and completion", "60 of 62 rows kept; left out: 2 answer of one word"]
PLAN: dict[str, Any] = {
    "data_notes": NOTES,
    "rows": 60, "tokens": 3600, "targets": 900, "cut_rows": 0, "steps": 48, "learning_weights": 4_900_000,
    "is_recomputed": False,
    "total_bytes": 2_000_000_000, "available_bytes": 8_000_000_000, "verdict": "fits", "step_s": 3.0, "seconds": 160.0,
}  # fmt: skip


class FakeTraining:
    """Begins a job that has the scripted events."""

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.asked: list[tuple[str, ...]] = []
        self.settings: TrainSettings | None = None
        self.hosts = ""
        self.columns: str | None = None

    def start(
        self,
        data: str,
        base: str,
        name: str,
        settings: TrainSettings,
        *,
        columns: str | None = None,
        ranks: int,
        hosts: str = "",
    ) -> StoredJob:
        self.asked.append((data, base, name, str(ranks)))
        self.hosts, self.columns = hosts, columns
        self.settings = settings
        return self._jobs.start("train", f"{base} learns {name}", {})

    def plan(self, data: str, base: str, settings: TrainSettings, **more: Any) -> StoredJob:
        return self.start(data, base, "", settings, **more)

    def list(self) -> list[StoredJob]:
        return self._jobs.list()


class Edge(FakeEdge):
    """The scripted SDK with training."""

    def __init__(self, *events: JobEvent) -> None:
        super().__init__()
        self.jobs.events = list(events)
        self.training = FakeTraining(self.jobs)


def bench(*events: JobEvent) -> Bench:
    return Bench(edge=Edge(*events), environment={"COLUMNS": "120"})


def training(at: Bench) -> FakeTraining:
    assert isinstance(at.edge, Edge)
    return at.edge.training


def test_a_run_says_what_was_learnt_and_how_to_use_it() -> None:
    at = bench(
        Started(title="Teaching starter", total=20, unit="steps", note="20 steps; about 1.4 GB."),
        Measured(step=1, values={"loss": 3.2}),
        Progressed(done=1, total=20, note="loss 3.200"),
        Finished(result=RESULT | {"verification": {"kl": 3.2e-8, "limit": 1e-4, "layers": 2}}),
    )
    assert at.run("train", "run", "--data", "t.jsonl", "--name", "tax", "--epochs", "2", "--set", "dropout=0.1") == 0
    assert training(at).asked == [("t.jsonl", "starter", "tax", "1")]
    settings = training(at).settings
    assert settings is not None
    assert (settings.epochs, settings.dropout) == (2.0, 0.1)
    assert "learnt  starter@tax  loss 3.20 to 0.050" in at.out
    assert "180 tokens a second, 2.0 GB at the peak" in at.out
    assert "in llama.cpp 3e-08 nats a token from it, 0.0001 allowed" in at.out
    assert "20 steps; about 1.4 GB." in at.err
    assert "edgellm chat -m starter@tax" in at.err


def test_a_method_makes_a_model_of_its_own() -> None:
    at = bench(Finished(result=RESULT | {"adapter": "", "model": "tax"}))
    assert at.run("train", "run", "--data", "t.jsonl", "--name", "tax", "--method", "dora") == 0
    settings = training(at).settings
    assert settings is not None
    assert settings.method == "dora"
    assert "learnt  tax  loss" in at.out
    assert at.err.endswith("edgellm chat -m tax\n")


def test_json_is_the_whole_result() -> None:
    at = bench(Finished(result=RESULT))
    assert at.run("train", "run", "--data", "t.jsonl", "--name", "tax", "--json") == 0
    assert json.loads(at.out) == RESULT


def test_a_detached_run_says_how_to_follow_it() -> None:
    at = bench()
    assert at.run("train", "run", "--data", "t.jsonl", "--name", "tax", "--detach") == 0
    assert "edgellm jobs follow" in at.err


def test_a_plan_is_read_before_anything_is_begun() -> None:
    at = bench(Finished(result=PLAN))
    assert at.run("train", "plan", "--data", "t.jsonl", "--preset", "quick") == 0
    assert "2.0 GB of 8.0 GB, fits" in at.out
    assert "about 2:40, 3.0 s a step" in at.out
    assert "4.9 million weights" in at.out


def test_how_a_file_was_read_is_told_unasked() -> None:
    at = bench(Finished(result=PLAN))
    assert at.run("train", "plan", "--data", "t.jsonl") == 0
    assert "; ".join(NOTES) in at.out
    at = bench(Finished(result=RESULT | {"data_notes": NOTES}))
    assert at.run("train", "run", "--data", "t.jsonl", "--name", "tax") == 0
    assert f"Examples: {'; '.join(NOTES)}." in at.err
    at = bench(Finished(result=PLAN | {"data_notes": []}))
    assert at.run("train", "plan", "--data", "pairs.jsonl") == 0
    assert "examples" not in at.out, "preferences have none"


LEFT_OUT = {"left_out_rows": 3, "left_out_why": "Its question alone fills the context of 64 tokens."}


def test_rows_that_teach_nothing_are_counted_with_a_reason() -> None:
    said = "3 rows teach nothing; the first: Its question alone fills the context of 64 tokens."
    at = bench(Finished(result=PLAN | LEFT_OUT))
    assert at.run("train", "plan", "--data", "t.jsonl") == 0
    assert said in at.out
    at = bench(Finished(result=PLAN | {"left_out_rows": 0, "left_out_why": ""}))
    assert at.run("train", "plan", "--data", "t.jsonl") == 0
    assert "left out  no row" in at.out
    at = bench(Finished(result=RESULT | LEFT_OUT))
    assert at.run("train", "run", "--data", "t.jsonl", "--name", "tax") == 0
    assert f"Left out: {said}" in at.err


def test_a_failure_is_told_with_its_kind() -> None:
    at = bench(Failed(error="TrainingError", message="The loss of step 3 is nan."))
    assert 1 <= at.run("train", "run", "--data", "t.jsonl", "--name", "tax") <= 99
    assert "The loss of step 3 is nan" in at.err


def test_wrong_settings_are_refused_before_a_job_exists() -> None:
    for wrong in (("--set", "speed=3"), ("--set", "rank=0"), ("--rank", "0"), ("--preset", "fast")):
        at = bench()
        assert 1 <= at.run("train", "run", "--data", "t.jsonl", "--name", "tax", *wrong) <= 99
        assert not training(at).asked
        assert "Traceback" not in at.err


def test_sdk_errors_are_shown() -> None:
    at = bench()

    def refuse(*_said: Any, **_more: Any) -> StoredJob:
        raise InvalidInput("There is an adapter named 'tax' already.", field="name")

    training(at).start = refuse  # type: ignore[method-assign]
    assert 1 <= at.run("train", "run", "--data", "t.jsonl", "--name", "tax") <= 99
    assert "already" in at.err


def test_without_runs_the_list_says_how_to_begin() -> None:
    at = bench()
    assert at.run("train", "list") == 0
    assert "edgellm train run" in at.err


def test_runs_are_listed() -> None:
    at = bench()
    training(at).start("t.jsonl", "starter", "tax", TrainSettings(), ranks=1)
    assert at.run("train", "list") == 0
    assert "starter learns tax" in at.out


def test_a_file_of_hosts_is_read(tmp_path: Path) -> None:
    at = bench(Finished(result=RESULT))
    (tmp_path / "hosts").write_text("10.0.0.1\n10.0.0.2 mini\n")
    assert at.run("train", "run", "--data", "t.jsonl", "--name", "tax", "--hosts", str(tmp_path / "hosts")) == 0
    assert training(at).hosts == "10.0.0.1\n10.0.0.2 mini\n"


def test_columns_that_a_refusal_asks_for_can_be_given() -> None:
    at = bench(Finished(result=RESULT))

    def refuse(*_said: Any, **_more: Any) -> StoredJob:
        raise DataRejected("t.csv:1: no column is known.", hint="Say which is which.", remedy="columns")

    taken, training(at).start = training(at).start, refuse  # type: ignore[method-assign]
    assert 1 <= at.run("train", "run", "--data", "t.csv", "--name", "tax") <= 99
    assert "Say which is which (--columns)." in at.err
    training(at).start = taken  # type: ignore[method-assign]
    assert at.run("train", "run", "--data", "t.csv", "--name", "tax", "--columns", "q=Frage,a=Antwort") == 0
    assert training(at).columns == "q=Frage,a=Antwort"


PREFERENCE: dict[str, Any] = RESULT | {
    "losses": RESULT["losses"] | {
        "valid_margin_first": 0.0, "valid_margin_last": 0.731, "valid_accuracy_first": 0.0, "valid_accuracy_last": 0.8,
        "valid_kl_last": 0.0123,
    },
    "preference": {"objective": "dpo", "rows": 25, "held_out": 5, "left_out": {"contradiction": 2},
                   "notes": ["Beware."]},
}  # fmt: skip


def test_preference_tuning_says_what_held_out_rows_show() -> None:
    at = bench(Finished(result=PREFERENCE))
    asked = ("--data", "p.jsonl", "--name", "tax", "--base", "starter@old", "--objective", "dpo", "--beta", "0.2")
    assert at.run("train", "run", *asked) == 0
    settings = training(at).settings
    assert settings is not None
    assert (settings.objective, settings.beta) == ("dpo", 0.2)
    assert training(at).asked == [("p.jsonl", "starter@old", "tax", "1")]
    assert "on 5 held-out rows: margin 0.00 to 0.73, 80% judged right, 0.012 nats a token from the reference" in at.out
    assert "Left out: 2 contradiction." in at.err
    assert "Beware." in at.err


def test_an_unknown_objective_is_refused() -> None:
    at = bench()
    assert 1 <= at.run("train", "run", "--data", "p.jsonl", "--name", "tax", "--objective", "ppo") <= 99
    assert not training(at).asked
