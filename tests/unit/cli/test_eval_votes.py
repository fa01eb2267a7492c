"""`edgellm eval rate`, `votes`, `export`: single keys, no names, what came out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.cli.diagnostics import Code
from edgellm.sdk.facade import EdgeLLM
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge
from tests.unit.evals.runs import NEW, OLD
from tests.unit.sdk.test_blind import judge_all, kept


@pytest.fixture
def real(edgellm_home: Path) -> Iterator[EdgeLLM]:
    with EdgeLLM("fake:", home=edgellm_home) as made:
        kept(made)
        yield made


class Edge(FakeEdge):
    """The scripted SDK with real evaluations."""

    def __init__(self, real: EdgeLLM) -> None:
        super().__init__()
        self.evals = real.evals


def bench(real: EdgeLLM, keys: bytes = b"", *, is_terminal: bool = True) -> Bench:
    return Bench(edge=Edge(real), stdin=keys, is_terminal=is_terminal, environment={"COLUMNS": "120"})


def test_keys_vote_undo_and_quit(real: EdgeLLM) -> None:
    at = bench(real, b"?abutxq")
    assert at.run("eval", "rate", "r1", "--by", "Ana") == Code.DONE
    assert [vote.choice for vote in real.evals.votes("r1")] == ["left", "tie", "both bad"]
    assert {vote.judge for vote in real.evals.votes("r1")} == {"Ana"}
    assert "1 of 20" in at.out
    assert "4 of 20" in at.out
    assert NEW not in at.out + at.err, "nothing says whose answers they are"
    assert "edgellm eval votes r1" in at.err


def test_the_end_of_the_input_ends_it_and_all_is_judged(real: EdgeLLM) -> None:
    at = bench(real, b"u" + b"a" * 30)
    assert at.run("eval", "rate", "r1", "--by", "Ana") == Code.DONE
    assert "nothing to undo" in at.err
    assert "Every pair is judged." in at.err
    assert len(real.evals.votes("r1")) == 20


def test_notes_are_asked_by_rubric(real: EdgeLLM) -> None:
    at = bench(real, b"nwrong price\n\nlong\n\n\naq")
    assert at.run("eval", "rate", "r1", "--by", "Ana") == Code.DONE
    (vote,) = real.evals.votes("r1")
    assert vote.notes == {"accuracy": "wrong price", "clarity": "long"}
    assert "is it true" in at.err


def test_programs_vote_without_keys(real: EdgeLLM) -> None:
    at = bench(real, is_terminal=False)
    assert at.run("eval", "rate", "r1", "--by", "Ana", "--json") == Code.DONE
    pair = json.loads(at.out)
    assert (pair["done"], pair["total"]) == (0, 20)
    vote = ("--vote", pair["id"], "both bad", "--note", "tone", "rude")
    assert at.run("eval", "rate", "r1", "--by", "Ana", *vote, "--json") == Code.DONE
    assert json.loads(at.out) == {"pair": pair["id"], "choice": "both bad", "judge": "Ana", "notes": {"tone": "rude"}}
    assert at.run("eval", "rate", "r1", "--vote", "x", "left") == Code.NOT_FOUND
    assert at.run("eval", "rate", "r1") == Code.INVALID_INPUT
    assert "no terminal" in at.err


def test_what_came_out(real: EdgeLLM) -> None:
    at = bench(real, is_terminal=False)
    assert at.run("eval", "votes", "r1") == Code.DONE
    assert "Nobody has voted" in at.err
    judge_all(real, NEW, "Ana")
    judge_all(real, OLD, "Ben", most=4)
    assert at.run("eval", "votes", "r1") == Code.DONE
    assert f"{NEW} over {OLD}" in at.out
    assert "20 won, 4 lost" in at.out
    assert "ELO" in at.out
    assert "Ana and Ben" in at.out
    assert at.run("eval", "votes", "r1", "--json") == Code.DONE
    assert json.loads(at.out)["preferred"][0]["word"] == "better"


def test_votes_are_exported(real: EdgeLLM, tmp_path: Path) -> None:
    judge_all(real, NEW, "Ana", most=3)
    at = bench(real)
    assert at.run("eval", "export", "r1") == Code.DONE
    assert len(at.out.splitlines()) == 3
    assert at.run("eval", "export", "r1", "--json") == Code.DONE
    assert json.loads(at.out)[0]["preferred"] == NEW
    out = tmp_path / "votes.csv"
    assert at.run("eval", "export", "r1", "--form", "csv", "--out", str(out)) == Code.DONE
    assert out.read_text().startswith("run,suite,case")
    assert out.stat().st_mode & 0o077 == 0
