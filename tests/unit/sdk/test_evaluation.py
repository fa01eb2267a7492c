"""`edge.evals` on the built-in model: jobs, comparison, the cache, cancelling, killing and going on."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgellm.errors import DataRejected, InvalidInput, NotFound
from edgellm.evals.run import Run
from edgellm.events import Failed, Finished, Progressed
from edgellm.paths import private_dir, write_private
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.servers import ServerOptions
from edgellm.store import JobState, StoredJob

SLOW = "fake:decode_row_s=0.02"
PARIS = "fake:says=It%20is%20Paris."
ROME = "fake:says=It%20is%20Rome."


@pytest.fixture
def edge(edgellm_home: Path) -> Iterator[EdgeLLM]:
    with EdgeLLM("fake:", home=edgellm_home) as made:
        write_private(made.home.settings, b"context_tokens = 1024\n")
        yield made
        for job in made.jobs.list():
            made.jobs.cancel(job.id, grace_s=1)


def suite(folder: Path, count: int = 12, name: str = "towns", **header: str) -> Path:
    lines = ["schema = 1", f'name = "{name}"', 'score = "contains"', "max_tokens = 16"]
    lines += [f"{key} = {value}" for key, value in header.items()]
    for number in range(count):
        lines += ["[[case]]", f'prompt = "Question {number}?"', 'expected = "Paris"', f'category = "c{number % 2}"']
    path = folder / f"{name}.toml"
    path.write_text("\n".join(lines))
    return path


def finished(edge: EdgeLLM, job: StoredJob) -> Run:
    last = list(edge.jobs.follow(job.id))[-1]
    assert isinstance(last, Finished), last
    return edge.evals.get(job.id)


def until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def kept(edge: EdgeLLM) -> dict[str, int]:
    """When each kept answer was written."""
    return {path.name: path.stat().st_mtime_ns for path in edge.home.answers.rglob("*.json")}


def test_a_model_is_compared_with_its_baseline(edge: EdgeLLM, tmp_path: Path) -> None:
    run = finished(edge, edge.evals.run([suite(tmp_path)], on=PARIS, against=[ROME]))
    assert [each.name for each in run.subjects] == [PARIS, ROME]
    ours, theirs = run.outcomes
    assert ours.tally.score is not None
    assert theirs.tally.score is not None
    assert (ours.tally.score.mean, theirs.tally.score.mean) == (1.0, 0.0)
    assert list(ours.categories) == ["c0", "c1"]
    (compared,) = run.comparisons
    assert (compared.word, compared.baseline) == ("better", ROME)
    assert edge.evals.list() == [run]
    results = edge.evals.results(run.id, "towns", 1)
    assert [each.said.text for each in results] == ["It is Rome."] * 12
    page = edge.evals.report(run.id).read_text()
    assert "better" in page
    assert edge.evals.report(run.id, "markdown").read_text().startswith("# Evaluation of ")
    assert (edge.evals.report(run.id).stat().st_mode & 0o077) == 0


def test_the_second_run_asks_nothing(edge: EdgeLLM, tmp_path: Path) -> None:
    path = suite(tmp_path)
    first = finished(edge, edge.evals.run([path], on=PARIS))
    before = kept(edge)
    assert len(before) == 12
    second = finished(edge, edge.evals.run([path], on=PARIS))
    assert kept(edge) == before
    assert second.outcomes == first.outcomes


def test_answers_that_were_written_first_go_when_a_run_ends(edge: EdgeLLM, tmp_path: Path) -> None:
    old = private_dir(edge.home.answers / "00") / "old.json"
    old.touch()
    os.truncate(old, 300 * 1024**2)  # a hole, not a full disk
    os.utime(old, (0, 0))
    finished(edge, edge.evals.run([suite(tmp_path)], on=PARIS))
    assert not old.exists()
    assert len(kept(edge)) == 12


def test_a_run_tells_how_far_it_is(edge: EdgeLLM, tmp_path: Path) -> None:
    job = edge.evals.run([suite(tmp_path)], on=PARIS)
    told = [event for event in edge.jobs.follow(job.id) if isinstance(event, Progressed)]
    assert (told[-1].done, told[-1].total) == (12, 12)
    assert told[-1].rate
    assert told[-1].left_s == 0


def test_a_killed_run_goes_on_and_asks_nothing_twice(edge: EdgeLLM, tmp_path: Path) -> None:
    job = edge.evals.run([suite(tmp_path, count=60)], on=SLOW)
    until(lambda: len(kept(edge)) >= 10)
    pid = edge.jobs.get(job.id).pid
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)
    until(lambda: edge.jobs.get(job.id).state is JobState.FAILED)
    before = kept(edge)
    assert 10 <= len(before) < 60
    run = finished(edge, edge.jobs.resume(job.id))
    after = kept(edge)
    assert len(after) == 60
    assert {name: at for name, at in after.items() if name in before} == before, "no kept answer was asked for again"
    assert run.outcomes[0].tally.answers == 60


def test_a_cancelled_run_ends_soon_and_goes_on(edge: EdgeLLM, tmp_path: Path) -> None:
    job = edge.evals.run([suite(tmp_path, count=60)], on=SLOW)
    until(lambda: len(kept(edge)) >= 5)
    began = time.monotonic()
    assert edge.jobs.cancel(job.id).state is JobState.CANCELLED
    assert time.monotonic() - began < 30
    assert len(kept(edge)) < 60
    assert finished(edge, edge.jobs.resume(job.id)).outcomes[0].tally.answers == 60


def test_choices_pairs_and_texts_are_weighed(edge: EdgeLLM, tmp_path: Path) -> None:
    path = tmp_path / "weighed.toml"
    path.write_text(
        """schema = 1
[[case]]
score = "choice"
prompt = "Yes or no?"
choices = ["eat", "XQZ"]
expected = "eat"
[[case]]
score = "pair"
prompt = "A {term} works."
terms = ["man", "man"]
continuation = "eat"
[[case]]
score = "perplexity"
prompt = "the rain in the east"
"""
    )
    (found,) = finished(edge, edge.evals.run([path], on="fake:")).outcomes
    choice, pair, text = edge.evals.results(edge.evals.list()[0].id, "weighed")
    assert choice.value == 1, "the built-in model writes small letters only"
    assert pair.value == pytest.approx(1.0)
    assert text.value is None
    assert text.measures["tokens"] == len("the rain in the east")
    assert found.measures["perplexity"] > 1


def test_a_likelihood_is_that_of_the_models_own_answer(edge: EdgeLLM) -> None:
    """What the model writes itself is more probable than another text, and the sum is that of its traces."""
    from edgellm.sdk.addressing import target_of
    from edgellm.sdk.eval_subjects import LocalSubject
    from edgellm.types import Message, Sampling

    subject = LocalSubject(edge.evals.means, "fake:", target_of("fake:"))
    asked = (Message(role="user", content="Hello"),)
    reply = edge.chat(asked, sampling=Sampling(temperature=0, max_tokens=12, logprobs=0))
    found = subject.likelihood(asked, reply.text)
    traced = [trace.logprob for trace in reply.choices[0].tokens][: found.tokens]
    assert found.nats == pytest.approx(sum(traced), abs=1e-4)
    assert found.tokens == len(reply.text.encode())
    assert subject.likelihood(asked, "ZZZZZZZZ").nats < found.nats


def test_an_alias_is_what_it_stands_for(edge: EdgeLLM, tmp_path: Path) -> None:
    edge.aliases.set("town", PARIS)
    run = finished(edge, edge.evals.run([suite(tmp_path)], on="town"))
    assert (run.subjects[0].name, run.subjects[0].target) == ("town", PARIS)


def test_a_suite_of_the_projects_folder_is_run_by_its_name(
    edge: EdgeLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evals").mkdir()
    suite(tmp_path / "evals", count=1)
    monkeypatch.chdir(tmp_path)
    assert finished(edge, edge.evals.run(["towns"], on=PARIS)).suites[0].path == str(tmp_path / "evals" / "towns.toml")


def test_what_cannot_be_run_is_refused_at_once(edge: EdgeLLM, tmp_path: Path) -> None:
    path = suite(tmp_path)
    with pytest.raises(NotFound, match="Did you mean 'general'"):
        edge.evals.run(["generl"], on=PARIS)
    with pytest.raises(InvalidInput, match="named twice"):
        edge.evals.run([path], on=PARIS, against=[PARIS])
    with pytest.raises(InvalidInput, match="named 'towns'"):
        edge.evals.run([path, path], on=PARIS)
    with pytest.raises(NotFound):
        edge.evals.run([path], on="nowhere")
    with pytest.raises(NotFound):
        edge.evals.run([path], on="fake:says=x", judge="nowhere")
    judged = tmp_path / "judged.toml"
    judged.write_text('schema = 1\nscore = "judged"\n[[case]]\nprompt = "A"\nrubric = "r"')
    with pytest.raises(InvalidInput, match="name the model that judges"):
        edge.evals.run([judged], on=PARIS)
    damaged = tmp_path / "damaged.toml"
    damaged.write_text("schema = 1")
    with pytest.raises(DataRejected, match="no case"):
        edge.evals.run([damaged], on=PARIS)
    assert edge.jobs.list() == []


def test_a_suite_that_changed_meanwhile_is_not_mixed(edge: EdgeLLM, tmp_path: Path) -> None:
    path = suite(tmp_path, count=60)
    job = edge.evals.run([path], on=SLOW)
    until(lambda: bool(kept(edge)) or not edge.jobs.get(job.id).is_active)
    assert kept(edge), edge.jobs.get(job.id)
    edge.jobs.cancel(job.id)
    suite(tmp_path, count=61)
    last = list(edge.jobs.follow(edge.jobs.resume(job.id).id))[-1]
    assert isinstance(last, Failed)
    assert "is not what it was" in last.message


def test_a_judge_is_a_model_too(edge: EdgeLLM, tmp_path: Path) -> None:
    path = tmp_path / "judged.toml"
    path.write_text('schema = 1\nscore = "judged"\n[[case]]\nprompt = "A"\nrubric = "Is it polite?"')
    run = finished(edge, edge.evals.run([path], on=PARIS, judge="fake:"))
    assert run.judge is not None
    assert run.judge.name == "fake:"
    assert "A or B" in run.judge.prompts["system"]
    assert "judge_agreement" in run.outcomes[0].measures


def test_a_judge_that_is_gone_ends_the_run_before_anybody_is_asked_in_vain(edge: EdgeLLM, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    path = tmp_path / "judged.toml"
    path.write_text('schema = 1\nscore = "judged"\n[[case]]\nprompt = "A"\nrubric = "Is it polite?"')
    job = edge.evals.run([path], on=PARIS, judge=f"http://127.0.0.1:{port}")
    last = list(edge.jobs.follow(job.id))[-1]
    assert isinstance(last, Failed)
    assert str(port) in last.message, "it says who cannot be reached"
    assert edge.evals.list() == [], "what was not judged is no result"
    assert kept(edge) == {}
    edge.server.start(ServerOptions(model="fake:", port=port), limit_s=60)
    try:
        run = finished(edge, edge.jobs.resume(job.id))
    finally:
        edge.server.stop()
    assert "judge_agreement" in run.outcomes[0].measures


def test_runs_that_are_not_there(edge: EdgeLLM, tmp_path: Path) -> None:
    assert edge.evals.list() == []
    with pytest.raises(NotFound, match="edgellm eval list"):
        edge.evals.get("nowhere")
    run = finished(edge, edge.evals.run([suite(tmp_path, count=1)], on=PARIS))
    with pytest.raises(NotFound):
        edge.evals.results(run.id, "other")
    with pytest.raises(InvalidInput, match="no form"):
        edge.evals.report(run.id, "pdf")


def test_suites_of_the_project_come_first(edge: EdgeLLM, tmp_path: Path) -> None:
    suite(tmp_path, name="mine")
    names = [each.name for each in edge.evals.suites(tmp_path)]
    assert names[0] == "mine"
    assert {"general", "injection", "bias"} <= set(names)


def test_a_server_is_judged_like_a_model(edge: EdgeLLM, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    running = edge.server.start(ServerOptions(port=0, model=PARIS), limit_s=60)
    try:
        assert running.url is not None
        run = finished(edge, edge.evals.run([suite(tmp_path)], on=running.url, against=[ROME]))
        assert run.comparisons[0].word == "better"
        assert run.subjects[0].target == running.url
        weighed = tmp_path / "weighed.toml"
        weighed.write_text('schema = 1\n[[case]]\nscore = "choice"\nprompt = "A"\nchoices = ["a", "b"]\nexpected = "a"')
        there, here = (finished(edge, edge.evals.run([weighed], on=model)) for model in (running.url, PARIS))
        assert there.outcomes[0].tally == here.outcomes[0].tally, "an EdgeLLM tells how likely it found an answer"
    finally:
        edge.server.stop()
