"""`edgellm monitor`: a table, JSON, and files that are private."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgellm.cli.diagnostics import Code
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.serving import ServedAnswer
from edgellm.types import Message
from tests.unit.cli.bench import Bench

HOSTILE = "Is the ferry \x1b[2J late on {day}, ann@example.com?"


@pytest.fixture
def asked(real: EdgeLLM, serving: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Eight questions about ferries; no embedder is opened."""
    monkeypatch.setattr("edgellm.retrieval.embed.open.DEFAULT", "no-such-embedder")
    for number in range(8):
        message = Message(role="user", content=HOSTILE.format(day=number))
        real.answers.add(
            ServedAnswer(id=f"a{number}", tenant="local", model="starter", messages=(message,), text="No.")
        )
    real.answers.rate("a1", "local", 1)
    return serving


def test_the_table_says_it_all(asked: Bench) -> None:
    assert asked.run("monitor") == 0
    assert "ferry" in asked.out
    assert "RATED UP (95 %)" in asked.out
    assert "8 of 8 questions were looked at" in asked.err
    assert "no-such-embedder" in asked.err
    assert "\x1b[2J" not in asked.out + asked.err
    assert "ann@" not in asked.out


def test_json_has_everything(asked: Bench) -> None:
    assert asked.run("monitor", "--days", "7", "--tenant", "", "--json") == 0
    found = json.loads(asked.out)
    assert (found["period"]["days"], found["tenant"], found["looked"]["questions"]) == (7, "", 8)
    assert found["topics"][0]["questions"] == 8
    assert "[email]" in found["topics"][0]["examples"][0]


@pytest.mark.parametrize(
    ("name", "begins"), [("m.html", "<!doctype html>"), ("m.md", "# What was asked"), ("m.prom", "# TYPE edgellm_")]
)
def test_files_are_private(asked: Bench, tmp_path: Path, name: str, begins: str) -> None:
    out = tmp_path / name
    assert asked.run("monitor", "-o", str(out)) == 0
    assert out.read_text().startswith(begins)
    assert out.stat().st_mode & 0o077 == 0
    assert "ann@" not in out.read_text()
    assert asked.out.strip() == str(out)


def test_other_files_and_keys_are_refused(asked: Bench, tmp_path: Path) -> None:
    assert asked.run("monitor", "-o", str(tmp_path / "m.pdf")) == Code.USAGE
    assert "m.pdf" in asked.err
    assert asked.run("monitor", "--days", "0") == Code.USAGE
    assert asked.run("monitor", "--tenant", "nobody") == Code.NOT_FOUND


def test_on_the_first_day(serving: Bench) -> None:
    assert serving.run("monitor") == 0
    assert "Nothing was asked in this time." in serving.err
