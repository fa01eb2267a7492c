"""Judged answers as rows of pairs under the fake template, and what a run of preference tuning is told to be."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edgellm.engine.supervisor import Worker
from edgellm.errors import DataRejected, InvalidInput
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.jobs import Jobs
from edgellm.sdk.training import Training
from edgellm.sdk.training_preferences import checked_file, measured, paired, told
from edgellm.sdk.training_request import PreferenceFile, TrainRequest, request_from
from edgellm.sdk.training_run import Outcome
from edgellm.train.rows import Row, RowSets
from edgellm.train.settings import TrainSettings, settings_for
from edgellm.types import Message, Sampling
from tests.unit.data.test_preferences import judged, pair

DPO, KTO = settings_for("balanced", objective="dpo"), settings_for("balanced", objective="kto")


def worker_of(edge: EdgeLLM) -> Worker:
    return edge._engines.worker("fake:")[1]


def written(path: Path, rows: list[Any]) -> Path:
    file = path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def answer_of(edge: EdgeLLM, row: Row) -> str:
    [(start, end)] = row.supervised
    return worker_of(edge).detokenize(row.tokens[start:end])


def prompt_of(row: Row) -> tuple[int, ...]:
    return row.tokens[: row.supervised[0][0]]


def test_both_rows_of_a_pair_begin_as_the_served_prompt_does(edge: EdgeLLM, tmp_path: Path) -> None:
    rows = [pair(number) for number in range(24)]
    sets = paired(checked_file(written(tmp_path, rows), DPO), worker_of(edge), DPO)
    assert len(sets.pairs) + len(sets.valid_pairs) == 24
    assert len(sets.valid_pairs) >= 5
    assert (sets.train, sets.valid) == ((), ())
    by_answer = {row["chosen"]: row for row in rows}
    for made in (*sets.pairs, *sets.valid_pairs):
        wanted = next(row for text, row in by_answer.items() if answer_of(edge, made.answer).startswith(text))
        assert answer_of(edge, made.other).startswith(wanted["rejected"])
        assert prompt_of(made.answer) == prompt_of(made.other)
    served = edge.chat([Message(role="user", content=rows[0]["prompt"])], sampling=Sampling(max_tokens=1))
    assert served.usage.prompt_tokens in {len(prompt_of(made.answer)) for made in (*sets.pairs, *sets.valid_pairs)}
    assert sets.probe is not None
    assert sets.probe.tokens == prompt_of(sets.pairs[0].answer)


def test_only_the_last_answer_of_a_conversation_is_judged(edge: EdgeLLM, tmp_path: Path) -> None:
    rows = []
    for number in range(20):
        asked = [{"role": "user", "content": f"Hello {number}"}, {"role": "assistant", "content": "Up north."}]
        rows.append({**pair(number), "prompt": [*asked, {"role": "user", "content": "And then?"}]})
    sets = paired(checked_file(written(tmp_path, rows), DPO), worker_of(edge), DPO)
    assert all(len(row.supervised) == 1 for made in sets.pairs for row in made.rows)
    assert "Up north" not in answer_of(edge, sets.pairs[0].answer)


def test_beside_a_judged_answer_stands_one_to_another_question(edge: EdgeLLM, tmp_path: Path) -> None:
    rows = [judged(number, number % 2 > 0) for number in range(24)]
    sets = paired(checked_file(written(tmp_path, rows), KTO), worker_of(edge), KTO)
    assert {made.is_good for made in sets.pairs} == {True, False}
    for made in sets.pairs:
        assert answer_of(edge, made.answer) != answer_of(edge, made.other)
        assert prompt_of(made.answer) == prompt_of(made.other)


def test_a_pair_whose_prompt_fills_the_context_is_left_out(edge: EdgeLLM, tmp_path: Path) -> None:
    long = {**pair(90), "prompt": "word " * 200}
    small = settings_for("balanced", objective="dpo", context_tokens=120)
    file = checked_file(written(tmp_path, [long, *(pair(number) for number in range(20))]), small)
    sets = paired(file, worker_of(edge), small)
    assert len(sets.pairs) + len(sets.valid_pairs) == 20
    assert (sets.left_out, sets.left_out_why[:32]) == (1, "Its prompt leaves no room for an")
    assert sets.probe is not None
    assert sets.probe.question in worker_of(edge).detokenize(sets.probe.tokens), "of the first row that is left"
    assert all(len(row.tokens) <= 120 for made in sets.pairs for row in made.rows)
    tiny = settings_for("balanced", objective="dpo", context_tokens=8)
    with pytest.raises(DataRejected, match="leaves room for an answer in 8 tokens"):
        paired(file, worker_of(edge), tiny)


def test_a_file_that_has_changed_is_refused(edge: EdgeLLM, tmp_path: Path) -> None:
    file = checked_file(written(tmp_path, [pair(number) for number in range(20)]), DPO)
    written(tmp_path, [pair(number) for number in range(1, 21)])
    with pytest.raises(DataRejected, match="has changed since"):
        paired(file, worker_of(edge), DPO)


class Library:
    """One model."""

    def find(self, name: str) -> Any:
        return SimpleNamespace(reference=name, name=name, sha256="ab", path=Path("base.gguf"))


def asked(edge: EdgeLLM, data: Path, settings: TrainSettings, base: str = "starter") -> TrainRequest:
    """What a job would be asked to do."""
    started: list[dict[str, Any]] = []
    jobs = SimpleNamespace(start=lambda _kind, _title, arguments: started.append(arguments))
    Training(edge.home, cast(Jobs, jobs), edge.datasets, cast(Any, Library())).start(data, base, "tuned", settings)
    return request_from(json.loads(json.dumps(started[0])))


def test_a_request_names_the_file_and_what_it_held(edge: EdgeLLM, tmp_path: Path) -> None:
    path = written(tmp_path, [pair(0), *(pair(number) for number in range(20))])
    request = asked(edge, path, DPO)
    assert request.dataset == "pairs"
    assert request.preferences == checked_file(path, DPO)
    assert request.preferences.left_out == {"exact_duplicate": 1}
    assert Path(request.preferences.path).is_absolute()
    assert edge.datasets.list() == []


def test_what_cannot_be_learnt_from_is_refused_before_there_is_a_job(edge: EdgeLLM, tmp_path: Path) -> None:
    with pytest.raises(DataRejected, match="3 pairs can be used; at least 20"):
        asked(edge, written(tmp_path, [pair(number) for number in range(3)]), DPO)
    with pytest.raises(DataRejected, match="cannot be read"):
        asked(edge, tmp_path / "none.jsonl", DPO)


@pytest.mark.parametrize(("objective", "file"), [("sft", PreferenceFile(path="/a", sha256="b")), ("dpo", None)])
def test_the_objective_and_the_data_must_agree(objective: Any, file: PreferenceFile | None) -> None:
    settings = TrainSettings(objective=objective)
    request = TrainRequest(dataset="a", base="starter", name="x", settings=settings, preferences=file)
    from msgspec import to_builtins

    with pytest.raises(InvalidInput, match="only by these"):
        request_from(to_builtins(request))


def test_a_result_tells_how_held_out_rows_went() -> None:
    settings = TrainSettings(objective="dpo")
    file = PreferenceFile(path="/a", sha256="b", left_out={"contradiction": 2})
    request = TrainRequest(dataset="a", base="starter", name="x", settings=settings, preferences=file)
    first, last = {"margin": 0.0, "accuracy": 0.0, "kl": 0.0}, {"margin": 0.7, "accuracy": 1.0, "kl": 0.01}
    outcome = Outcome(valid_measures=[first, {"margin": 0.3, "accuracy": 0.5, "kl": 0.02}, last])
    assert measured(outcome)["valid_margin_last"] == 0.7
    assert measured(outcome)["valid_kl_first"] == 0.0
    result = told(request, RowSets(train=()), outcome)["preference"]
    assert (result["objective"], result["left_out"], result["notes"]) == ("dpo", {"contradiction": 2}, [])
    worse = told(request, RowSets(train=()), Outcome(valid_measures=[last, first | {"kl": 0.9}]))["preference"]
    assert "gained nothing" in worse["notes"][0]
    assert "strayed 0.90 nats" in worse["notes"][1]
    examples = TrainRequest(dataset="a", base="starter", name="x", settings=TrainSettings())
    assert told(examples, RowSets(train=()), Outcome()) == {}
    assert measured(Outcome()) == {}
