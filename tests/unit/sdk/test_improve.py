"""Planning the loop and the parts of its stages, on a real store and a small file in place of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgellm.data.dataset import open_dataset
from edgellm.data.rows import ChatRow
from edgellm.errors import InvalidInput, NotFound
from edgellm.hub.adapters import AdapterManifest, BaseRecord, DatasetRecord, Shelf
from edgellm.hub.inspect import check_header
from edgellm.paths import private_dir
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.improve_parts import EdgeParts
from edgellm.sdk.improve_run import POLICY, SUITE, SUITE_BEFORE, ImproveRun, folder_of, write_run
from edgellm.settings import Settings
from edgellm.store import JobState
from edgellm.train.settings import TrainSettings
from tests.unit.sdk.test_adapters import base_file

POLICY_TEXT = 'schema = 1\n[[must]]\nsuite = "general"\nchange = "not worse"\n'


@pytest.fixture
def edge(edgellm_home: Path, tmp_path: Path) -> Iterator[EdgeLLM]:
    with EdgeLLM("fake:", home=edgellm_home, settings=Settings(context_tokens=1024)) as made:
        made.models._library.inspect = check_header  # opens nothing in llama.cpp: the header is enough here
        made.models.add(base_file(tmp_path / "tiny.gguf"))
        made.aliases.set("assistant", "tiny")
        yield made


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY_TEXT)
    return path


def corrected(edge: EdgeLLM, question: str, answer: str) -> str:
    """Id of an accepted item: the answer to a question, corrected in a conversation."""
    reply = edge.chat(question, session=edge.sessions.create().id, model="fake:says=I%20do%20not%20know.")
    assert reply.message_id is not None
    edge.sessions.correct(reply.message_id, answer)
    item = edge.reviews.list()[0]
    edge.reviews.accept(item.id)
    return item.id


def refusals(edge: EdgeLLM, **options: Any) -> list[str]:
    return [each.message for each in edge.improve.plan("assistant", **options).refusals]


def test_an_empty_queue_is_refused_with_what_to_do(edge: EdgeLLM, policy: Path) -> None:
    plan = edge.improve.plan("assistant", policy=policy)
    assert "Nothing in the queue was accepted" in plan.refusals[0].message
    assert "accept them in the review queue" in plan.refusals[0].hint
    with pytest.raises(InvalidInput, match="Nothing in the queue"):
        edge.improve.begin("assistant", policy=policy)
    assert edge.jobs.list() == []


def test_a_plan_says_what_would_be_done_and_changes_nothing(edge: EdgeLLM, policy: Path) -> None:
    corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    plan = edge.improve.plan("assistant", policy=policy, settings={"preset": "quick"})
    assert (plan.lessons.rows, plan.lessons.new, plan.lessons.pairs, plan.lessons.corrected) == (1, 1, 1, 1)
    assert (plan.request.candidate, plan.request.target) == ("assistant-v1", "tiny@assistant-v1")
    assert (plan.request.objective, plan.suites) == ("sft", ("general", "corrected"))
    assert plan.steps == 12
    assert plan.seconds is None
    assert edge.jobs.list() == []
    assert not edge.home.improve.exists()


def test_names_that_mean_nothing(edge: EdgeLLM, policy: Path) -> None:
    with pytest.raises(NotFound, match="There is no alias 'nobody'"):
        edge.improve.plan("nobody", policy=policy)
    with pytest.raises(NotFound):
        edge.improve.history("nobody")
    with pytest.raises(NotFound):
        edge.improve.get("nothing")
    with pytest.raises(InvalidInput, match="replay is 2"):
        edge.improve.plan("assistant", policy=policy, replay=2)
    edge.aliases.set("far", "http://127.0.0.1:1")
    with pytest.raises(InvalidInput, match="stands for a server"):
        edge.improve.plan("far", policy=policy)


def test_a_judge_that_cannot_be_asked_is_refused_before_any_work(edge: EdgeLLM, policy: Path) -> None:
    corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    assert any("'nobody'" in each for each in refusals(edge, policy=policy, judge="nobody"))
    assert refusals(edge, policy=policy, judge="http://127.0.0.1:1") != []
    assert edge.jobs.list() == []


def test_contradictions_are_listed_and_held(edge: EdgeLLM, policy: Path) -> None:
    corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    corrected(edge, "Who keeps the light?", "Nobody does.")
    plan = edge.improve.plan("assistant", policy=policy)
    assert len(plan.held) == 2
    assert "The same question was accepted with another answer." in plan.held[0]
    assert plan.lessons.rows == 0
    assert plan.refusals != ()


def run_of(edge: EdgeLLM, policy: Path, run_id: str = "r1", **changes: Any) -> ImproveRun:
    """A run as it is when its first stage begins."""
    plan = edge.improve.plan("assistant", policy=policy, **changes)
    run = ImproveRun(id=run_id, created=float(run_id[1:]), request=plan.request)
    write_run(edge.home, run)
    return run


def admit(edge: EdgeLLM, name: str, dataset: DatasetRecord | None) -> None:
    """An adapter of the small file; with a dataset, as training leaves it."""
    folder = Shelf(edge.home).folder
    draft = private_dir(folder / f".{name}.part")
    (draft / "adapter.gguf").write_bytes(name.encode())
    plan: dict[str, Any] = {}
    if dataset is not None:
        (draft / "adapter.safetensors").write_bytes(b"w")
        plan = msgspec.to_builtins(TrainSettings())
    model = edge.models.get("tiny")
    base = BaseRecord(name="tiny", sha256=model.sha256 or "")
    Shelf(edge.home).admit(draft, AdapterManifest(name=name, base=base, dataset=dataset, plan=plan))


def test_lessons_are_frozen_and_become_a_dataset(edge: EdgeLLM, policy: Path) -> None:
    first = corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    run, parts = run_of(edge, policy), EdgeParts(edge, lambda _event: None)
    step = parts.collect(run)
    assert step.changes["learnt"] == (first,)
    assert (step.changes["new"], step.changes["replayed"]) == (1, 0)
    corrected(edge, "Which colour is it?", "The lamp is green.")  # later than the freeze: the next run's
    assert parts.dataset(run).note == "1 rows"
    rows = list(open_dataset(edge.home.datasets / "assistant-v1").rows("train"))
    assert [(row.source.file, row.messages[-1].content) for row in rows if isinstance(row, ChatRow)] == [
        (f"review {first}", "Ruben Astley keeps it.")
    ]
    folder = folder_of(edge.home, "r1")
    assert 'suite = "corrected"\nat_least = 0.5' in (folder / POLICY).read_text()
    assert msgspec.json.decode((folder / SUITE).read_bytes().splitlines()[0])["expected"] == "Ruben Astley keeps it."


def test_what_the_live_version_was_taught_is_taught_again(edge: EdgeLLM, policy: Path, tmp_path: Path) -> None:
    file = tmp_path / "old.jsonl"
    file.write_text(
        '{"prompt": "Who keeps the light?", "completion": "The old keeper does."}\n'
        '{"prompt": "How high is it?", "completion": "It is 61 metres high."}\n'
    )
    made = edge.datasets.build([file], "old")
    admit(edge, "taught", DatasetRecord(name="old", hash=made.manifest.dataset_hash))
    edge.aliases.set("assistant", "tiny@taught")
    corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    plan = edge.improve.plan("assistant", policy=policy)
    assert (plan.lessons.replayed, plan.request.start) == (1, "")
    assert "taught again what taught was taught (old)" in plan.begins_with
    run, parts = run_of(edge, policy), EdgeParts(edge, lambda _event: None)
    parts.collect(run)
    parts.dataset(run)
    rows = open_dataset(edge.home.datasets / "assistant-v1").rows("train")
    answers = {row.messages[-1].content for row in rows if isinstance(row, ChatRow)}
    assert answers == {"Ruben Astley keeps it.", "It is 61 metres high."}
    edge.datasets.remove("old")
    plan = edge.improve.plan("assistant", policy=policy)
    assert plan.request.start == "taught"
    assert "goes on learning: the dataset it was taught is not here" in plan.begins_with


def test_an_adapter_that_was_made_elsewhere_is_not_improved(edge: EdgeLLM, policy: Path) -> None:
    admit(edge, "foreign", None)
    edge.aliases.set("assistant", "tiny@foreign")
    corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    assert any("was made elsewhere" in each for each in refusals(edge, policy=policy))


def test_what_was_learnt_or_waits_for_a_decision_is_not_learnt_again(edge: EdgeLLM, policy: Path) -> None:
    item = corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    run = msgspec.structs.replace(run_of(edge, policy), learnt=(item,), passed=True, evaluation="e1")
    write_run(edge.home, run)
    assert any("waits for a decision" in each for each in refusals(edge, policy=policy))
    edge.aliases.set("assistant", "tiny@assistant-v1")
    admit(edge, "assistant-v1", DatasetRecord(name="x", hash="y"))
    assert any("has learnt everything" in each for each in refusals(edge, policy=policy))
    assert edge.improve.learnt_by("tiny@assistant-v1") == (item,)
    assert edge.improve.plan("assistant", policy=policy).request.candidate == "assistant-v2"
    corrected(edge, "Which colour is it?", "The lamp is green.")
    plan = edge.improve.plan("assistant", policy=policy)
    assert (plan.lessons.rows, plan.lessons.new) == (2, 1)


def test_an_alias_learns_from_one_tenant(edge: EdgeLLM, policy: Path) -> None:
    corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    run_of(edge, policy)
    assert any("learns from this machine's own users" in each for each in refusals(edge, policy=policy, tenant="t1"))


def test_a_second_run_of_an_alias_is_refused_with_the_id_of_the_first(edge: EdgeLLM, policy: Path) -> None:
    corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    job = edge._store().jobs.create("improve", "Improve assistant", {"alias": "assistant"})
    edge._store().jobs.begin(job.id)
    edge._store().jobs.set_process(job.id, 1, 0.0)
    assert edge._store().jobs.get(job.id).state is JobState.RUNNING
    edge._store().jobs.end(job.id, JobState.FAILED)
    waiting = edge._store().jobs.create("improve", "Improve assistant", {"alias": "assistant"})
    with pytest.raises(InvalidInput, match=f"being improved already, by the run {waiting.id}"):
        edge.improve.begin("assistant", policy=policy)
    with pytest.raises(InvalidInput, match=waiting.id):
        edge.improve.resume(job.id)
    edge.aliases.set("other", "tiny")
    assert edge.improve.running("other") is None


def test_a_run_is_promoted_only_once_the_gate_has_spoken(edge: EdgeLLM, policy: Path) -> None:
    corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    run_of(edge, policy)
    with pytest.raises(InvalidInput, match="has not come to the gate"):
        edge.improve.promote("r1")
    with pytest.raises(InvalidInput, match="has asked nothing yet"):
        edge.improve.evidence("r1")


def test_new_documents_are_read_in_the_same_run(edge: EdgeLLM, policy: Path) -> None:
    corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    run, parts = run_of(edge, policy, collections=["handbook"]), EdgeParts(edge, lambda _event: None)
    (begun,) = parts.begun("documents", run)
    assert begun.kind == "ingest"
    assert begun.fits({"collection": "handbook", "sync": True})
    assert not begun.fits({"collection": "other", "sync": True})
    assert not begun.fits({"collection": "handbook", "sync": False})
    without = msgspec.structs.replace(run, request=msgspec.structs.replace(run.request, collections=()))
    assert parts.begun("documents", without) == []
    assert parts.ended("documents", without).is_skipped


def preferred(edge: EdgeLLM, count: int) -> list[str]:
    """Ids of accepted corrections, each of which is a pair: the correction before the answer."""
    return [corrected(edge, f"Where does post {7919 * at} stand?", f"It is {31 * at} steps on.") for at in range(count)]


def taught_before(edge: EdgeLLM, tmp_path: Path, policy: Path) -> tuple[str, ...]:
    """The alias stands for what a run taught; ids of the items that it learnt from."""
    items = tuple(preferred(edge, 20))
    run = run_of(edge, policy)
    write_run(edge.home, msgspec.structs.replace(run, learnt=items, passed=True, evaluation="e1"))
    file = tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "Where does post 0 stand?", "completion": "It is 0 steps on."}\n')
    made = edge.datasets.build([file], "assistant-v1")
    admit(edge, "assistant-v1", DatasetRecord(name="assistant-v1", hash=made.manifest.dataset_hash))
    edge.aliases.set("assistant", "tiny@assistant-v1")
    return items


def test_preferences_are_learnt_upon_what_the_live_version_knows(
    edge: EdgeLLM, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = taught_before(edge, tmp_path, policy)
    assert any("has learnt everything" in each for each in refusals(edge, policy=policy))
    plan = edge.improve.plan("assistant", policy=policy, objective="dpo")
    assert "goes on learning: what is preferred comes upon what it knows" in plan.begins_with
    assert (plan.lessons.pairs, plan.lessons.new, plan.lessons.replayed) == (20, 20, 0)
    assert plan.suites == ("general", "corrected", "corrected-before")
    run = run_of(edge, policy, "r2", objective="dpo")
    parts = EdgeParts(edge, lambda _event: None)
    step = parts.collect(run)
    assert (step.changes["learnt"], step.changes["replayed"]) == (items, 0)
    assert parts.dataset(run).is_skipped
    rules = (folder_of(edge.home, "r2") / POLICY).read_text()
    assert 'suite = "corrected"' not in rules, "what was imitated before cannot become better by being preferred"
    assert 'suite = "corrected-before"\nchange = "not worse"' in rules

    started = list[tuple[str, Mapping[str, Any]]]()
    monkeypatch.setattr(edge.jobs, "start", lambda kind, _title, arguments: started.append((kind, arguments)))
    (begun,) = parts.begun("train", run)
    begun.start()
    ((kind, arguments),) = started
    assert (kind, arguments["base"], arguments["start"]) == ("train", "tiny", "assistant-v1")
    assert (arguments["name"], arguments["settings"]["objective"]) == ("assistant-v2", "dpo")
    assert arguments["preferences"]["path"].endswith("r2/pairs.jsonl")
    assert begun.fits(arguments)

    assert not parts.is_done("train", run)
    admit(edge, "assistant-v2", DatasetRecord(name="pairs", hash=arguments["preferences"]["sha256"]))
    assert parts.is_done("train", run), "its job was killed before it could say so"
    (asking,) = parts.begun("evaluate", run)
    asking.start()
    asked = {Path(each["path"]).name for each in started[1][1]["suites"]}
    assert asked == {"general.toml", "corrected-before.jsonl"}


def test_what_was_preferred_is_not_learnt_twice_and_what_it_was_upon_is_known(
    edge: EdgeLLM, policy: Path, tmp_path: Path
) -> None:
    items = taught_before(edge, tmp_path, policy)
    run = msgspec.structs.replace(run_of(edge, policy, "r2", objective="orpo"), learnt=items)
    write_run(edge.home, msgspec.structs.replace(run, passed=True, evaluation="e2"))
    assert any("waits for a decision" in each for each in refusals(edge, policy=policy, objective="orpo"))
    admit(edge, "assistant-v2", DatasetRecord(name="pairs", hash="h"))
    edge.aliases.set("assistant", "tiny@assistant-v2")
    assert any("has learnt everything" in each for each in refusals(edge, policy=policy, objective="dpo"))
    assert any("has learnt everything" in each for each in refusals(edge, policy=policy))
    assert edge.improve.learnt_by("tiny@assistant-v2") == items
    assert edge.improve.learnt_by("tiny@assistant-v2", "kto") == ()


def test_too_few_preferences_and_objectives_that_are_none_are_refused(edge: EdgeLLM, policy: Path) -> None:
    preferred(edge, 3)
    assert any(
        "3 pairs of the queue can be learnt from by dpo" in each
        for each in refusals(edge, policy=policy, objective="dpo")
    )
    with pytest.raises(InvalidInput, match="'best' is no objective"):
        edge.improve.plan("assistant", policy=policy, objective="best")  # type: ignore[arg-type]  # what is refused
    with pytest.raises(InvalidInput, match="objective is no setting"):
        edge.improve.plan("assistant", policy=policy, settings={"objective": "dpo"})
    assert any(
        "makes a model of its own" in each for each in refusals(edge, policy=policy, settings={"method": "full"})
    )


def test_three_new_corrections_are_not_hidden_by_those_that_are_known(edge: EdgeLLM, policy: Path) -> None:
    known = preferred(edge, 3)
    run = run_of(edge, policy)
    write_run(edge.home, msgspec.structs.replace(run, learnt=tuple(known), passed=True))
    admit(edge, "assistant-v1", DatasetRecord(name="gone", hash="h"))
    edge.aliases.set("assistant", "tiny@assistant-v1")
    fresh = corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    EdgeParts(edge, lambda _event: None).collect(run_of(edge, policy, "r2"))
    suites = [(folder_of(edge.home, "r2") / name).read_bytes().splitlines() for name in (SUITE, SUITE_BEFORE)]
    new, before = ([msgspec.json.decode(line)["id"] for line in lines] for lines in suites)
    assert (new, before) == ([fresh], known)


def test_a_live_version_that_lost_its_dataset_since_the_plan_is_not_silently_left_behind(
    edge: EdgeLLM, policy: Path, tmp_path: Path
) -> None:
    taught_before(edge, tmp_path, policy)
    corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    run = run_of(edge, policy, "r2")
    assert run.request.start == ""
    edge.datasets.remove("assistant-v1")
    with pytest.raises(InvalidInput, match="changed since the run was planned: assistant-v1 goes on learning"):
        EdgeParts(edge, lambda _event: None).collect(run)


def test_what_does_not_pass_stays_a_candidate_and_what_passes_waits(edge: EdgeLLM, policy: Path) -> None:
    corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    run, parts = run_of(edge, policy), EdgeParts(edge, lambda _event: None)
    assert "stays a candidate" in parts.propose(msgspec.structs.replace(run, passed=False)).note
    assert "may go live" in parts.propose(msgspec.structs.replace(run, passed=True)).note
    assert edge.aliases.get("assistant").target == "tiny"


def test_a_name_that_a_run_may_still_use_is_not_given_again(edge: EdgeLLM, policy: Path) -> None:
    corrected(edge, "Who keeps the light?", "Ruben Astley keeps it.")
    run_of(edge, policy)
    assert edge.improve.plan("assistant", policy=policy).request.candidate == "assistant-v2"
