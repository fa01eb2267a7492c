"""What is looked at before a training job begins: names that are taken, datasets that must not be lost, room."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from edgellm.data.rows import ChatRow
from edgellm.errors import DataRejected, DatasetNotFound, InvalidInput, ModelDoesNotFit, WorkerDied
from edgellm.events import JobEvent, Measured
from edgellm.hub.adapters import AdapterManifest, BaseRecord, DatasetRecord, Shelf
from edgellm.paths import private_dir
from edgellm.sdk import train_job
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.training import Training
from edgellm.sdk.training_request import TrainRequest
from edgellm.train.gate import Gate
from edgellm.train.rows import Row, RowSets
from edgellm.train.settings import TrainSettings, settings_for
from tests.ggufs import F32, GGUF, model_keys
from tests.unit.data.harness import fact, jsonl


class Started:
    """Training whose jobs only say what they were asked to do."""

    def __init__(self, edge: EdgeLLM) -> None:
        self.asked: list[dict[str, Any]] = []
        jobs = SimpleNamespace(start=lambda _kind, _title, arguments: self.asked.append(arguments))
        model = SimpleNamespace(reference="base", name="base", sha256="ab", path=Path("base.gguf"))
        library = SimpleNamespace(find=lambda _name: model, recorded_sha256=lambda name: name == "old" or None)
        self.training = Training(edge.home, cast(Jobs, jobs), edge.datasets, cast(Any, library))

    def dataset(self, data: Path | str, name: str) -> str:
        """Which dataset a run learns from."""
        self.training.start(data, "base", name)
        return cast(str, self.asked[-1]["dataset"])

    def planned(self, data: Path | str) -> str:
        """Which dataset a plan reads."""
        self.training.plan(data, "base")
        return cast(str, self.asked[-1]["dataset"])


@pytest.fixture
def started(edge: EdgeLLM) -> Started:
    return Started(edge)


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    return jsonl(tmp_path / "harbour.jsonl", [fact(number) for number in range(3)])


def other(tmp_path: Path) -> Path:
    return jsonl(private_dir(tmp_path / "other") / "harbour.jsonl", [fact(number) for number in range(9, 14)])


def rows(edge: EdgeLLM, name: str) -> int:
    return edge.datasets.show(name).manifest.counts.kept


def test_a_run_reads_its_file_again_when_it_has_changed(edge: EdgeLLM, started: Started, examples: Path) -> None:
    assert (started.dataset(examples, "harbour"), rows(edge, "harbour")) == ("harbour", 3)
    jsonl(examples, [fact(number) for number in range(4)])
    assert (started.dataset(examples, "harbour"), rows(edge, "harbour")) == ("harbour", 4)


def test_a_run_takes_no_other_datasets_place(edge: EdgeLLM, started: Started, examples: Path, tmp_path: Path) -> None:
    edge.datasets.build([examples], "harbour")
    with pytest.raises(InvalidInput, match="a dataset named 'harbour' already"):
        started.dataset(other(tmp_path), "harbour")
    assert (started.asked, rows(edge, "harbour")) == ([], 3)


def test_nor_that_of_one_with_rules_of_its_own(edge: EdgeLLM, started: Started, examples: Path) -> None:
    from edgellm.data.rules import Rules

    edge.datasets.build([examples], "harbour", rules=Rules(short_answers="keep"))
    with pytest.raises(InvalidInput, match="rules of its own"):
        started.dataset(examples, "harbour")
    assert started.dataset("harbour", "harbour") == "harbour", "by its name it is learnt from"


def test_a_plan_leaves_other_datasets_alone(edge: EdgeLLM, started: Started, examples: Path, tmp_path: Path) -> None:
    assert started.planned(examples) == "harbour"
    assert started.planned(other(tmp_path)) == "harbour-2"
    assert [rows(edge, "harbour"), rows(edge, "harbour-2")] == [3, 5]
    assert started.planned(other(tmp_path)) == "harbour-2"


def table(tmp_path: Path) -> Path:
    """Two columns that could be learnt from by their names, and one that could not."""
    path = tmp_path / "ports.csv"
    path.write_text("Question,Answer,Antwort\n" + "".join(
        f"Where is pier {number}?,In the harbour of Orrin.,Im Hafen von Orrin\n" for number in range(3)
    ))  # fmt: skip
    return path


GERMAN = "prompt=Question,completion=Antwort"


def answers(edge: EdgeLLM, name: str) -> set[str]:
    return {row.messages[-1].content for row in edge.datasets.show(name).rows("train") if isinstance(row, ChatRow)}


def test_columns_are_chosen_for_a_file(edge: EdgeLLM, started: Started, tmp_path: Path) -> None:
    started.training.start(table(tmp_path), "base", "ports", columns=GERMAN)
    assert answers(edge, "ports") == {"Im Hafen von Orrin"}
    started.training.plan(table(tmp_path), "base", columns={"question": "Question", "answer": "Antwort"})
    assert started.asked[-1]["dataset"] == "ports", "read in the same way it is the same dataset"
    started.training.plan(table(tmp_path), "base")
    assert started.asked[-1]["dataset"] == "ports-2"
    assert answers(edge, "ports-2") == {"In the harbour of Orrin."}


def test_a_dataset_of_chosen_columns_is_not_replaced_by_one_of_others(
    edge: EdgeLLM, started: Started, tmp_path: Path
) -> None:
    edge.datasets.build([table(tmp_path)], "ports", columns=GERMAN)
    with pytest.raises(InvalidInput, match="a dataset named 'ports' already"):
        started.training.start(table(tmp_path), "base", "ports")
    assert answers(edge, "ports") == {"Im Hafen von Orrin"}


def test_columns_are_refused_where_there_are_none(edge: EdgeLLM, started: Started, tmp_path: Path) -> None:
    edge.datasets.build([table(tmp_path)], "ports")
    (private_dir(tmp_path / "texts") / "a.md").write_text("A pier.\n")
    dpo = settings_for("balanced", objective="dpo")
    for data, settings, why in (
        (tmp_path / "texts", None, "plain text"),
        (tmp_path / "texts" / "a.md", None, "plain text"),
        ("ports", None, "is read already"),
        ("drafts:ports", None, "drafted"),
        (table(tmp_path), dpo, "judged answers"),
    ):
        with pytest.raises(InvalidInput, match=why) as refused:
            started.training.start(data, "base", "new", settings, columns=GERMAN)
        assert refused.value.facts["field"] == "columns"
    with pytest.raises(DataRejected, match="there is no column 'Frage'") as unknown:
        started.training.plan(table(tmp_path), "base", columns="prompt=Frage,completion=Antwort")
    assert unknown.value.facts["remedy"] == "columns"
    assert not started.asked


def test_a_damaged_dataset_is_in_nobody_elses_way(edge: EdgeLLM, started: Started, examples: Path) -> None:
    (private_dir(edge.home.datasets / "torn") / "manifest.json").write_text("{")
    assert started.dataset(examples, "harbour") == "harbour"


def test_a_taken_name_is_refused_before_anything_is_read(edge: EdgeLLM, started: Started, examples: Path) -> None:
    draft = private_dir(edge.home.adapters / ".harbour.part")
    (draft / "adapter.gguf").write_bytes(b"GGUF")
    Shelf(edge.home).admit(draft, AdapterManifest(name="harbour", base=BaseRecord(name="base", sha256="ab")))
    with pytest.raises(InvalidInput, match="an adapter named 'harbour' already"):
        started.dataset(examples, "harbour")
    with pytest.raises(InvalidInput, match="a model named 'old' already"):
        started.training.start(examples, "base", "old", settings_for("balanced", method="full"))
    assert edge.datasets.list() == []


def only_a_tiny_base(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have training jobs find one model, under any name."""
    epsilon = {"llama.attention.layer_norm_rms_epsilon": struct.pack("<If", F32, 1e-5)}
    path = GGUF(keys=model_keys() | epsilon).write(folder / "base.gguf")
    base = SimpleNamespace(path=path, name="base", reference="base", sha256="ab")
    library = SimpleNamespace(find=lambda _name: base, inspect=lambda _path: None)
    monkeypatch.setattr(train_job, "library_in", lambda _home: library)


def test_a_base_without_room_is_refused_before_anything_is_opened(
    edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only_a_tiny_base(monkeypatch, tmp_path)
    monkeypatch.setattr(train_job, "probe", lambda: SimpleNamespace(available_bytes=300 * 1024**2))
    seen: list[str] = []
    monkeypatch.setattr(train_job, "_dataset", lambda *_: seen.append("read"))

    def prepare(**shared: Any) -> None:
        request = TrainRequest(dataset="x", base="base", name="y", settings=TrainSettings(), **shared)
        train_job.prepare(edge.home, request, tmp_path / "run", lambda _event: None)

    with pytest.raises(ModelDoesNotFit, match="in each of 2 processes"):
        prepare(ranks=2)
    assert (seen, (tmp_path / "run").exists()) == ([], False)

    def refuse(*_: object) -> None:
        seen.append("gate")
        raise WorkerDied("enough seen")

    monkeypatch.setattr(train_job, "pass_gate", refuse)
    with pytest.raises(WorkerDied):
        prepare()
    assert seen == ["read", "gate"], "one process has room"


def test_rows_without_room_are_refused_before_the_base_is_asked_anything(
    edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only_a_tiny_base(monkeypatch, tmp_path)
    closed: list[str] = []
    engines = SimpleNamespace(worker=lambda *_: ("base", None), close=lambda: closed.append("closed"))
    long = RowSets(train=(Row((1,) * 20_000, ((1, 20_000),)),))
    for name, value in {
        "probe": lambda: SimpleNamespace(available_bytes=400 * 1024**2),
        "_dataset": lambda *_: DatasetRecord(name="harbour", hash="ab"),
        "pass_gate": lambda *_: Gate(kl=0.0, layers=2),
        "Engines": lambda *_: engines,
        "_tokenized": lambda *_: long,
    }.items():
        monkeypatch.setattr(train_job, name, value)
    monkeypatch.setattr(train_job, "kept_anchors", lambda *_: pytest.fail("the base was asked"))
    request = TrainRequest(dataset="harbour", base="base", name="y", settings=TrainSettings())
    with pytest.raises(ModelDoesNotFit, match="for the rows"):
        train_job.prepare(edge.home, request, tmp_path / "run", lambda _event: None)
    assert (closed, (tmp_path / "run" / train_job.ROWS).exists()) == (["closed"], False)


def test_a_run_goes_on_from_its_rows_whatever_has_become_of_the_dataset(edge: EdgeLLM, tmp_path: Path) -> None:
    made_of = DatasetRecord(name="harbour", hash="ab")
    request = TrainRequest(dataset="harbour", base="base", name="y", settings=TrainSettings())
    (tmp_path / train_job.DATASET).write_bytes(msgspec.json.encode(made_of))
    with pytest.raises(DatasetNotFound):
        train_job._dataset(edge.home, request, tmp_path)
    (tmp_path / train_job.ROWS).write_bytes(b"rows")
    assert train_job._dataset(edge.home, request, tmp_path) == made_of


def test_a_dataset_that_is_replaced_while_a_run_begins_is_refused(edge: EdgeLLM, examples: Path) -> None:
    edge.datasets.build([examples], "harbour")
    request = TrainRequest(dataset="harbour", base="base", name="y", settings=TrainSettings())
    with pytest.raises(DataRejected, match="'harbour' has changed since the run began"):
        train_job._tokenized(edge.home, cast(Any, None), request, DatasetRecord(name="harbour", hash="ab"))


def test_an_early_stop_needs_something_to_measure() -> None:
    with pytest.raises(InvalidInput, match="no rows to validate on"):
        train_job._check_patience(settings_for("balanced", patience=2), RowSets(train=()))
    train_job._check_patience(settings_for("balanced"), RowSets(train=()))


def test_reading_the_validation_rows_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[JobEvent] = []
    times = iter([10.0, 10.5, 11.0, 15.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    clock = train_job._ValidationClock(heard.append)
    for values in ({"loss": 1.0}, {"loss": 1.0}, {"valid_loss": 1.0}):
        clock(Measured(step=1, values=values))
    assert clock.seconds == 4.0
    assert len(heard) == 3
