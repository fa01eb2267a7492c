"""The harness is driven over HTTP by a module of its name; the real one is not part of these tests."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from edgellm.errors import InvalidInput, JobError, MissingExtra
from edgellm.sdk import lm_eval
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.lm_eval import HarnessOrder, harness_command

HARNESS = """
import json, pathlib, sys, urllib.request
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
asks = dict(pair.split("=", 1) for pair in words["--model_args"].split(","))
body = json.dumps({"model": asks["model"], "prompt": "one two", "echo": True, "logprobs": 1, "max_tokens": 0})
request = urllib.request.Request(asks["base_url"], body.encode(), {"content-type": "application/json"})
answer = json.load(urllib.request.urlopen(request))
scores = [each for each in answer["choices"][0]["logprobs"]["token_logprobs"] if each is not None]
print("\\x1b[2Jasked", asks["base_url"], flush=True)
if words["--tasks"] == "broken":
    sys.exit("task not found")
out = pathlib.Path(words["--output_path"]) / asks["model"].replace(":", "_")
out.mkdir(parents=True)
(out / "results_2026.json").write_text(json.dumps({"results": {words["--tasks"]: {"tokens": len(scores)}}}))
"""


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uvicorn")
    package = tmp_path / "path" / "lm_eval"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(HARNESS)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setattr(lm_eval, "find_spec", lambda _name: object())


def servers() -> list[int]:
    return [child.pid for child in psutil.Process().children(recursive=True) if "serve" in child.cmdline()]


@pytest.mark.usefixtures("harness")
def test_a_task_is_run_against_a_server_that_ends(edge: EdgeLLM) -> None:
    said: list[str] = []
    found = edge.evals.harness(["arc", "boolq"], on="fake:", limit=5, on_line=said.append)
    assert found == {"results": {"arc,boolq": {"tokens": len("one two")}}}
    assert said[0].startswith("␛[2Jasked http://127.0.0.1:")
    assert servers() == []


@pytest.mark.usefixtures("harness")
def test_a_harness_that_fails_is_reported(edge: EdgeLLM) -> None:
    with pytest.raises(JobError, match="ended with 1: task not found"):
        edge.evals.harness(["broken"], on="fake:")
    assert servers() == []


def test_a_missing_harness_is_named(edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lm_eval, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match="pip install 'lm_eval"):
        edge.evals.harness(["arc"], on="fake:")


@pytest.mark.parametrize("task", ["", "--help", "a,b"])
@pytest.mark.usefixtures("harness")
def test_what_is_no_task_is_refused(edge: EdgeLLM, task: str) -> None:
    with pytest.raises(InvalidInput, match="no name of a task"):
        edge.evals.harness([task], on="fake:")


def test_the_command_line(tmp_path: Path) -> None:
    order = HarnessOrder(tasks=("arc",), model="m", limit=3, include=tmp_path / "own", folder=tmp_path)
    command = harness_command(order, "http://127.0.0.1:1", "m")
    assert command[:4] == [sys.executable, "-P", "-m", "lm_eval"]
    assert "base_url=http://127.0.0.1:1/v1/completions,model=m,tokenizer_backend=remote" in " ".join(command)
    assert command[-4:] == ["--include_path", str(tmp_path / "own"), "--limit", "3"]


def test_a_folder_of_tasks_that_is_none_is_refused(
    edge: EdgeLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgellm.sdk.lm_eval.find_spec", lambda _name: object())
    with pytest.raises(InvalidInput, match="is no folder"):
        edge.evals.harness(["arc"], on="fake:", include=tmp_path / "nowhere")
