"""`edge.evals.blind`: people judge a run's answers; votes are kept, summed up, exported and reported."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgellm.errors import GateClosed, InvalidInput, NotFound
from edgellm.evals.report.keep import write_reports
from edgellm.evals.run import Run, write_results, write_run
from edgellm.paths import private_dir
from edgellm.sdk.aio import AsyncEdgeLLM
from edgellm.sdk.blind import judge_name
from edgellm.sdk.facade import EdgeLLM
from tests.unit.evals.runs import ASKED, NEW, OLD, finished_run


@pytest.fixture
def edge(edgellm_home: Path) -> Iterator[EdgeLLM]:
    with EdgeLLM("fake:", home=edgellm_home) as made:
        yield made


def kept(edge: EdgeLLM, run_id: str = "r1", asked: tuple[tuple[str, str, str], ...] = ASKED, count: int = 2) -> Run:
    """A run with its answers, as a job leaves it."""
    run, answers = finished_run(run_id, (NEW, OLD)[:count], ("ferry",), asked)
    run = replace(run, not_measured=(*run.not_measured, "What people prefer: no person read these answers."))
    folder = private_dir(edge.home.evals / run_id)
    for number, by_suite in enumerate(answers):
        write_results(folder, "ferry", number, by_suite["ferry"])
    write_reports(folder, run, answers)
    write_run(folder, run)
    return run


def judge_all(edge: EdgeLLM, winner: str, judge: str, most: int = 100) -> int:
    """Let a person prefer what one of the two wrote; how many votes there were."""
    blind, wanted = edge.evals.blind("r1", judge=judge), {NEW: 1, OLD: 2}[winner]
    for number in range(most):
        pair = blind.next()
        if pair is None:
            return number
        texts = {each[wanted] for each in ASKED}
        blind.vote(pair.id, "left" if pair.left in texts else "right")
    return most


def test_votes_are_kept_and_summed_up(edge: EdgeLLM) -> None:
    kept(edge)
    assert edge.evals.people("r1").votes == 0
    assert judge_all(edge, NEW, "Ana") == 20
    assert edge.evals.blind("r1", judge="Ana").next() is None
    assert judge_all(edge, OLD, "Ben", most=5) == 5
    people = edge.evals.people("r1")
    (found,) = people.preferred
    assert (found.won, found.lost, found.votes, found.word) == (20, 5, 25, "better")
    assert found == edge.evals.blind("r1").result()
    assert [each.subject for each in people.ratings] == [NEW, OLD]
    assert people.agreements[0].pairs == 5
    assert people.agreements[0].share.mean == 0


def test_nothing_that_is_shown_says_whose_it_is(edge: EdgeLLM) -> None:
    kept(edge)
    shown = edge.evals.blind("r1", judge="Ana").next()
    assert NEW not in repr(shown)
    first = [edge.evals.blind("r1", judge=f"person {number}").next() for number in range(40)]
    ours = {each[1] for each in ASKED}
    assert 5 < sum(pair is not None and pair.left in ours for pair in first) < 35, "sides differ by person"
    assert len({pair.id for pair in first if pair is not None}) == 1, "the order is the same for all"


def test_an_undone_vote_is_asked_again(edge: EdgeLLM) -> None:
    kept(edge)
    blind = edge.evals.blind("r1", judge="Ana")
    pair = blind.next()
    assert pair is not None
    assert blind.undo() is None
    blind.vote(pair.id, "tie")
    edge.evals.blind("r1", judge="Ben").vote(pair.id, "tie")
    assert blind.undo() == pair.id
    assert blind.undo() is None, "another person's vote stays"
    assert blind.next() == pair
    assert [vote.judge for vote in edge.evals.votes("r1")] == ["Ben"]


def test_what_cannot_be_voted_is_refused(edge: EdgeLLM) -> None:
    kept(edge)
    blind = edge.evals.blind("r1", judge="Ana")
    pair = blind.next()
    assert pair is not None
    with pytest.raises(NotFound, match="no pair 'x'"):
        blind.vote("x", "left")
    with pytest.raises(InvalidInput, match="One of: left, right, tie, both bad"):
        blind.vote(pair.id, "middle")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="Did you mean 'accuracy'"):
        blind.vote(pair.id, "left", {"acuracy": "x"})
    with pytest.raises(InvalidInput, match="2,001 characters"):
        blind.vote(pair.id, "left", {"tone": "x" * 2001})
    assert edge.evals.votes("r1") == []
    for arguments, said in (((OLD, OLD), "itself"), (("x", None), "no subject 'x'")):
        with pytest.raises(InvalidInput, match=said):
            edge.evals.blind("r1", *arguments)
    kept(edge, "alone", count=1)
    with pytest.raises(InvalidInput, match="nothing to compare it with"):
        edge.evals.blind("alone")
    assert edge.evals.people("alone").votes == 0
    with pytest.raises(NotFound):
        edge.evals.blind("nowhere")


def test_a_judge_has_a_name() -> None:
    assert judge_name(" Ana\x1b[2J ") == "Ana␛[2J"
    assert judge_name(None, lambda: "ben") == "ben"
    for name in ("", " ", "x" * 65):
        with pytest.raises(InvalidInput, match="1 to 64 characters"):
            judge_name(name)

    def nobody() -> str:
        raise OSError("no such user")

    with pytest.raises(InvalidInput, match="has no name"):
        judge_name(None, nobody)


def test_votes_are_exported_with_answers_and_names(edge: EdgeLLM) -> None:
    kept(edge, asked=(("=1+1?", "=cmd()", "-2"),))
    blind = edge.evals.blind("r1", judge="Ana")
    pair = blind.next()
    assert pair is not None
    blind.vote(pair.id, "left", {"accuracy": "+good", "tone": " "})
    (line,) = map(json.loads, edge.evals.export("r1").splitlines())
    assert line["preferred"] == line["left"]
    assert {line["left_answer"], line["right_answer"]} == {"=cmd()", "-2"}
    assert line["notes"] == {"accuracy": "+good"}
    (row,) = csv.DictReader(io.StringIO(edge.evals.export("r1", "csv")))
    assert (row["question"], row["note_accuracy"]) == ("'=1+1?", "'+good"), "a spreadsheet computes nothing"
    assert row["left_answer"][0] == row["right_answer"][0] == "'"
    with pytest.raises(InvalidInput, match="no form of votes"):
        edge.evals.export("r1", "xml")


def test_the_report_says_what_people_preferred(edge: EdgeLLM) -> None:
    kept(edge)
    assert "no person read" in edge.evals.report("r1").read_text()
    judge_all(edge, NEW, "Ana")
    page, text = edge.evals.report("r1").read_text(), edge.evals.report("r1", "markdown").read_text()
    for each in (page, text):
        assert "What people preferred" in each
        assert "no person read" not in each
        assert "Elo" in each
    assert "100.0 % (83.9 to 100.0), p &lt; 0.001" in page


def test_the_gate_asks_people_where_its_policy_does(edge: EdgeLLM, tmp_path: Path) -> None:
    kept(edge)
    policy = tmp_path / "policy.toml"
    policy.write_text(
        "schema = 1\n[[must]]\nsuite = 'ferry'\nchange = 'not worse'\n"
        "[people]\nwin_rate_at_least = 0.5\nvotes_at_least = 20\n"
    )
    assert edge.promotion.verdict("r1", policy).lines[1].found == "nobody has voted on this run"
    with pytest.raises(GateClosed, match=r"people, win rate at least 0\.5"):
        edge.promotion.promote("r1", "assistant", policy)
    judge_all(edge, NEW, "Ana")
    assert edge.promotion.verdict("r1", policy).passed


async def test_the_asynchronous_twin(edgellm_home: Path) -> None:
    async with AsyncEdgeLLM("fake:", home=edgellm_home) as edge:
        kept(edge.blocking)
        blind = await edge.evals.blind("r1", judge="Ana")
        pair = await blind.next()
        assert pair is not None
        await blind.vote(pair.id, "tie")
        assert (await blind.result()).tied == 1
        assert await blind.undo() == pair.id
        assert (await edge.evals.people("r1")).votes == 0
        assert [run.id for run in await edge.evals.list()] == ["r1"]
        assert await edge.promotion.current("nobody") is None
