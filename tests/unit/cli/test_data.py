"""`edgellm data`: reports for people and programs, exit codes, consent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.sdk.datasets import Datasets
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge

TABLE = """question,answer,remark
Where is Zarn?,It is up north.,1
Where is Zarn?,It is up north.,2
Who rules?,Nobody,3
Whom to ask?,Write to ada@example.com today.,4
broken,row
"""


class Edge(FakeEdge):
    """The scripted SDK with real datasets."""

    datasets: Datasets


@pytest.fixture
def bench(edgellm_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("edgellm.data.language.language_detector", lambda: lambda _: "en")
    (tmp_path / "table.csv").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    edge = Edge()
    with EdgeLLM("fake:", home=edgellm_home, settings=Settings()) as real:
        edge.datasets = real.datasets
        yield Bench(edge=edge, environment={"EDGELLM_HOME": str(edgellm_home), "COLUMNS": "100"})


def test_a_check_says_what_it_read_how_and_what_would_be_dropped(bench: Bench) -> None:
    assert bench.run("data", "check", "table.csv") == 0
    assert "csv: its name ends with .csv" in bench.out
    assert "question and answer, by common column names (prompt=question, completion=answer)" in bench.out
    assert "columns not used: remark" in bench.out
    assert "2 of 5 rows would be kept" in bench.out
    assert "1 dropped  exact duplicate\n    table.csv:3  same as table.csv:2\n" in bench.out
    assert "table.csv:6  2 columns where the header has 3" in bench.out
    assert "email 1 (mask)" in bench.out


def test_a_check_as_json_is_one_object(bench: Bench) -> None:
    assert bench.run("data", "check", "table.csv", "--json") == 0
    found = json.loads(bench.out)
    assert found["can_be_built"] is True
    assert found["report"]["counts"]["dropped"] == {"malformed": 1, "exact_duplicate": 1, "short_answer": 1}


def test_a_check_that_finds_a_broken_file_ends_with_one(bench: Bench) -> None:
    Path("bad.jsonl").write_bytes(b'{"text": "\xff"}\n')
    assert bench.run("data", "check", "table.csv", "bad.jsonl") == 1
    assert "error  bad.jsonl:1: the line is not UTF-8" in bench.out
    assert "2 of 5 rows would be kept" in bench.out


def test_a_build_says_where_the_dataset_is(bench: Bench, edgellm_home: Path) -> None:
    assert bench.run("data", "build", "table.csv", "--name", "zarn") == 0
    folder = edgellm_home / "data" / "datasets" / "zarn"
    assert bench.out.startswith("built  zarn  train 2, valid 0, test 0")
    assert str(folder) in bench.out
    assert "3 rows left out" in bench.err
    assert (folder / "manifest.json").exists()


def test_a_build_as_json_is_one_object(bench: Bench) -> None:
    assert bench.run("data", "build", "table.csv", "--name", "zarn", "--json") == 0
    found = json.loads(bench.out)
    assert found["manifest"]["counts"]["kept"] == 2
    assert Path(found["path"]).is_dir()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("none.csv", "--name", "a"), 3, "none.csv: the file cannot be read"),
        (("table.csv", "--name", "../a"), 3, "no name for a dataset"),
        (("table.csv",), 2, "--name"),
        (("--name", "a"), 3, "nothing to read"),
        (("table.csv", "--name", "a", "--columns", "prompt"), 3, "'prompt' does not say which column"),
        (("table.csv", "--name", "a", "--personal", "shoe=drop"), 3, "--personal"),
        (("table.csv", "--name", "a", "--personal", "email=burn"), 3, "--personal"),
        (("table.csv", "--name", "a", "--region", "XX"), 3, "'XX'"),
        (("table.csv", "--name", "a", "--context", "2"), 3, "context_tokens"),
        (("table.csv", "--name", "a", "--long-rows", "drop"), 3, "model"),
    ],
)
def test_a_refusal_has_its_exit_code(bench: Bench, arguments: tuple[str, ...], code: int, said: str) -> None:
    assert bench.run("data", "build", *arguments) == code
    assert said in bench.err
    assert bench.run("data", "list", "--json") == 0
    assert json.loads(bench.out) == []


def test_unknown_columns_name_the_option(bench: Bench) -> None:
    Path("odd.csv").write_text("Frage,Antwort\nWhere?,Up north.\n")
    assert bench.run("data", "check", "odd.csv") == 1
    assert "for example: prompt=Question,completion=Answer (--columns)." in bench.out


def test_a_name_is_taken_until_it_is_replaced(bench: Bench) -> None:
    bench.run("data", "build", "table.csv", "--name", "zarn")
    assert bench.run("data", "build", "table.csv", "--name", "zarn") == 3
    assert "--replace" in bench.err
    assert bench.run("data", "build", "table.csv", "--name", "zarn", "--replace", "--short-answers", "keep") == 0
    assert "train 3" in bench.out


def test_rules_of_personal_data_are_said_by_kind(bench: Bench) -> None:
    assert bench.run("data", "check", "table.csv", "--personal", "all=drop", "--personal", "email=keep", "--json") == 0
    rules = json.loads(bench.out)["report"]["rules"]["personal"]
    assert (rules["email"], rules["card"]) == ("keep", "drop")


def test_lengths_are_shown_when_a_model_is_named(bench: Bench) -> None:
    assert bench.run("data", "check", "table.csv", "-m", "fake:") == 0
    assert "MEDIAN" in bench.out
    assert "tokens of fake:; the context is 1,024" in bench.out


def test_one_that_cannot_be_read_is_listed_with_its_reason(bench: Bench) -> None:
    for name in ("harbour", "zarn"):
        bench.run("data", "build", "table.csv", "--name", name)
    assert bench.run("data", "show", "harbour", "--json") == 0
    (Path(json.loads(bench.out)["path"]) / "manifest.json").write_text("{")
    assert bench.run("data", "list") == 0
    assert "this is no manifest of a dataset" in next(x for x in bench.out.splitlines() if x.startswith("harbour"))
    assert bench.run("data", "list", "--json") == 0
    readable, damaged = json.loads(bench.out)
    assert (readable["name"], damaged["name"]) == ("zarn", "harbour")
    assert bench.run("data", "remove", "harbour", "--yes") == 0
    assert bench.run("data", "list") == 0
    assert "harbour" not in bench.out


def test_datasets_are_listed_shown_and_removed(bench: Bench) -> None:
    assert bench.run("data", "list") == 0
    assert "data build" in bench.err
    bench.run("data", "build", "table.csv", "--name", "zarn")
    assert bench.run("data", "list") == 0
    assert bench.out.splitlines()[1].startswith("zarn        2  ")
    assert bench.run("data", "show", "zarn") == 0
    assert bench.out.startswith("# Dataset zarn\n")
    assert bench.run("data", "show", "zran") == 4
    assert "Did you mean 'zarn'?" in bench.err
    assert bench.run("data", "remove", "zarn") == 3
    assert bench.run("data", "remove", "zarn", "--yes") == 0
    assert bench.run("data", "show", "zarn") == 4
