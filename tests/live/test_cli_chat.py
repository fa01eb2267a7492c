"""The command with the starter model: what a person and a script get."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgellm.sdk.facade import EdgeLLM

pytestmark = pytest.mark.live
TIMEOUT_S = 90
SCHEMA = '{"type": "object", "properties": {"river": {"type": "string", "maxLength": 20}}, "required": ["river"]}'
GREEDY = ("--temperature", "0", "--max-tokens", "16")


def edgellm(
    *arguments: str, stdin: str = "", variables: Mapping[str, str] | None = None, limit_s: float = TIMEOUT_S
) -> tuple[int, str, str]:
    """The command in a process of its own. Returns: exit code, standard output, standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "edgellm", *arguments],
        input=stdin,
        env={**os.environ, **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=limit_s,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_pipe_gets_plain_text() -> None:
    code, out, err = edgellm("chat", "Name three rivers.", *GREEDY)
    assert code == 0, err
    assert out.strip()
    assert out.endswith("\n")
    assert "\x1b" not in out
    assert "cut at the most tokens allowed" in err


def test_json_counts_tokens_and_times() -> None:
    code, out, err = edgellm("chat", "--json", *GREEDY, stdin="Name three rivers.")
    assert code == 0, err
    reply = json.loads(out)
    assert list(reply) == ["text", "finish_reason", "model", "usage", "timings"]
    assert set(reply["usage"]) == {"prompt_tokens", "cached_tokens", "completion_tokens"}
    assert set(reply["timings"]) == {"load_s", "ttft_s", "prefill_tokens_per_s", "decode_tokens_per_s"}
    assert (reply["finish_reason"], reply["usage"]["completion_tokens"]) == ("length", 16)
    assert reply["timings"]["ttft_s"] > 0
    assert reply["timings"]["decode_tokens_per_s"] > 0


def test_the_same_seed_gives_the_same_text() -> None:
    arguments = ("chat", "Tell me a story.", "--seed", "7", "--max-tokens", "12", "--temperature", "1.2")
    assert edgellm(*arguments)[1] == edgellm(*arguments)[1]


def test_a_schema_is_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    schema = tmp_path_factory.mktemp("schema") / "river.json"
    schema.write_text(SCHEMA)
    code, out, err = edgellm("chat", "Name a river as JSON.", "--schema", str(schema), "--temperature", "0")
    assert code == 0, err
    assert set(json.loads(out)) == {"river"}


def test_a_session_goes_on_with_what_was_computed() -> None:
    assert edgellm("chat", "My name is Ada. Say hello.", *GREEDY)[0] == 0
    code, out, err = edgellm("chat", "What is my name?", "--continue", "--json", *GREEDY)
    assert code == 0, err
    assert json.loads(out)["usage"]["cached_tokens"] > 0
    _, listed, _ = edgellm("sessions", "list", "--json")
    [session] = json.loads(listed)
    _, exported, _ = edgellm("sessions", "export", session["id"][:10])
    assert "My name is Ada." in exported
    assert "What is my name?" in exported


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("chat", "Hi", "-m", "startr"), 4),
        (("chat", "Hi", "--temperature", "9"), 3),
        (("chat", "Hi", "--session", "none"), 4),
    ],
)
def test_the_users_errors_have_their_codes(arguments: tuple[str, ...], code: int) -> None:
    found, out, err = edgellm(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert "Traceback" not in err


def test_a_prompt_longer_than_the_context_is_refused() -> None:
    code, out, err = edgellm("chat", *GREEDY, stdin="word " * 9000)
    assert (code, out) == (3, "")
    assert "Traceback" not in err


def test_ctrl_c_keeps_the_partial_answer_and_ends_with_130() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "edgellm", "chat", "Write a very long story about a river.", "--max-tokens", "2000"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        begun = process.stdout.read(10)
        process.send_signal(signal.SIGINT)
        before = time.monotonic()
        rest, err = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert (begun + rest).endswith("\n")
    assert time.monotonic() - before < 20
    [session] = json.loads(edgellm("sessions", "list", "--json")[1])
    stored = json.loads(edgellm("sessions", "show", session["id"], "--json")[1])["messages"][-1]
    assert (stored["role"], stored["finish_reason"]) == ("assistant", "cancelled")
    assert stored["content"].startswith(begun)


def test_doctor_finds_this_installation_well() -> None:
    code, out, err = edgellm("doctor", "--json")
    report = json.loads(out)
    checks = {check["name"]: check for check in report["checks"]}
    assert code == 0, (out, err)
    assert checks["First decode"]["state"] == "pass"
    assert checks["Starter model"]["state"] == "pass"


@pytest.mark.long
@pytest.mark.timeout(1000)
def test_the_tour_runs_without_a_terminal(edgellm_home: Path) -> None:
    code, out, err = edgellm("tour", limit_s=900)
    assert code == 0, err
    assert "Fits: needs" in out
    assert "prompt tokens did not have to be computed again" in out
    before, after = out.split("Correct it, and it gets better")[1].split("assistant is starter@assistant-v1")
    first, *_ = before.split("should be")
    assert "five times" not in first
    assert "holds  corrected  not worse" in before
    assert "five times at noon" in " ".join(after.split("rolled back")[0].split())
    assert "assistant is starter again" in after
    assert "\x1b" not in out
    with EdgeLLM("starter", home=edgellm_home) as edge:
        assert (edge.reviews.list(state=None), edge.aliases.list(), edge.adapters.list()) == ([], [], [])
