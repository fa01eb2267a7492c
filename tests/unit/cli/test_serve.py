"""`edgellm serve` as a process: what it says, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from edgellm.cli.diagnostics import Code
from edgellm.sdk.facade import EdgeLLM

MODEL = "fake:decode_row_s=0.02"


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server, and the line by which it said that it is ready."""
    command = [sys.executable, "-m", "edgellm", "serve", "-m", MODEL, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            yield process, json.loads(line)
        finally:
            if process.poll() is None:
                process.kill()


def ask(url: str, max_tokens: int, headers: dict[str, str] | None = None) -> httpx2.Response:
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": max_tokens,
        "logit_bias": {"257": -100},
    }
    return httpx2.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=30)


def children_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    return found


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=20)[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_well(number: signal.Signals) -> None:
    with started("--port", "0", "--json") as (process, ready):
        assert ready["model"] == MODEL
        assert ready["pid"] == process.pid
        assert ask(ready["url"], 3).status_code == 200
        workers = children_of(process)
        assert workers
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (Code.DONE, "", "")
        assert gone(workers)


def test_the_second_signal_ends_it_at_once() -> None:
    with started("--port", "0", "--json") as (process, ready):
        signals = iter((signal.SIGTERM, signal.SIGTERM))
        with pytest.raises(httpx2.TransportError):
            read_stream(ready["url"], lambda: process.send_signal(next(signals)))
        began = time.monotonic()
        process.wait(10)
        assert time.monotonic() - began < 15


def read_stream(url: str, at_line: Callable[[], None]) -> None:
    """Read an answer that does not end by itself; at two of its lines something happens."""
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "logit_bias": {"257": -100},
    }
    with httpx2.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=30) as answer:
        for number, _ in enumerate(answer.iter_lines()):
            if number in (10, 20):
                at_line()
                time.sleep(0.3)


def test_the_handshake() -> None:
    with started("--stdio-handshake") as (process, ready):
        assert set(ready) == {"url", "token", "pid", "model"}
        assert len(ready["token"]) >= 32
        assert ask(ready["url"], 2).status_code == 401
        assert ask(ready["url"], 2, {"authorization": f"Bearer {ready['token']}"}).status_code == 200
        workers = children_of(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(15) == Code.DONE
        assert gone(workers)


def test_a_killed_server_leaves_no_orphan() -> None:
    with started("--stdio-handshake") as (process, ready):
        ask(ready["url"], 2, {"x-api-key": ready["token"]})
        workers = children_of(process)
        process.kill()
        process.wait(5)
        assert gone(workers)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgellm", "serve", "-m", MODEL, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.test"])
def test_others_reach_it_with_a_key_only(host: str) -> None:
    done = run("--host", host)
    assert (done.returncode, done.stdout) == (Code.USAGE, "")
    assert "edgellm keys create" in done.stderr


def test_with_a_key_others_may_reach_it(edgellm_home: Path) -> None:
    with EdgeLLM(home=edgellm_home) as edge:
        secret = edge.keys.create("a").secret
    with started("--host", "0.0.0.0", "--port", "0", "--json") as (_, ready):
        assert ask(ready["url"], 2).status_code == 401
        assert ask(ready["url"], 2, {"x-api-key": secret}).status_code == 200


def test_when_the_last_key_is_revoked_nobody_may_call(edgellm_home: Path) -> None:
    with EdgeLLM(home=edgellm_home) as edge:
        made = edge.keys.create("a")
        edge.keys.revoke(made.key.id)
    with started("--port", "0", "--json") as (_, ready):
        assert ask(ready["url"], 2).status_code == 401
        assert ask(ready["url"], 2, {"x-api-key": made.secret}).status_code == 401
    assert run("--host", "0.0.0.0").returncode == Code.USAGE


def test_traces_go_to_an_address() -> None:
    done = run("--port", "0", "--otlp", "collector")
    assert (done.returncode, done.stdout) == (Code.INVALID_INPUT, "")
    assert "no address of a collector" in done.stderr


def test_a_handshake_is_for_this_machine() -> None:
    assert run("--host", "0.0.0.0", "--stdio-handshake").returncode == Code.USAGE


def test_a_port_that_is_taken() -> None:
    with started("--port", "0", "--json") as (_, ready):
        done = run("--port", ready["url"].rpartition(":")[2])
        assert done.returncode == Code.INVALID_INPUT
        assert "cannot be used" in done.stderr


def test_a_model_that_is_not_there() -> None:
    command = [sys.executable, "-m", "edgellm", "serve", "-m", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == Code.NOT_FOUND
