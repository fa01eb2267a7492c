"""The installed lm-evaluation-harness, driven against a server of this machine that ends with it.

The harness (EleutherAI's `lm_eval`, 0.4.9 or newer) asks over OpenAI's completions with our server as its tokenizer;
nothing of it is part of EdgeLLM. Its tasks load data sets, most of them from the network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgellm.errors import InvalidInput, JobError, MissingExtra
from edgellm.paths import Home, private_dir
from edgellm.safetext import clean_line
from edgellm.sdk.server_process import home_arguments

PACKAGE = "lm_eval"
OPEN_S = 300.0
STOP_S = 15.0
SHOWN = 300
"""Characters of the harness' last words in an error."""
OnLine = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessOrder:
    """What the harness is to do."""

    tasks: tuple[str, ...]
    model: str
    """MODEL[@ADAPTER], as `Engines.resolve` gives it."""
    limit: int | None = None
    """Questions of each task; None: all."""
    include: Path | None = None
    """A folder with tasks of one's own, as the harness describes them in YAML."""
    folder: Path
    """Where it puts its results."""


def run_harness(home: Home, order: HarnessOrder, on_line: OnLine) -> dict[str, Any]:
    """The harness' results as it wrote them; `on_line` is told each line that it prints.

    Raises: MissingExtra when it is not installed; InvalidInput for the name of a task that is none; JobError when the
    server or the harness ends badly.
    """
    check_installed()
    _check_tasks(order.tasks)
    folder = private_dir(order.folder)
    with _server(home, order.model, folder) as (url, name):
        last = _run(harness_command(order, url, name), folder, on_line)
    found = sorted(folder.rglob("results*.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise JobError(f"lm-evaluation-harness left no results: {last}", hint=f"See {folder}.")
    results: dict[str, Any] = json.loads(found[-1].read_bytes())
    return results


def check_installed() -> None:
    """Raises: MissingExtra when the harness is not installed."""
    if find_spec(PACKAGE) is None:
        hint = "Install it beside EdgeLLM: pip install 'lm_eval[api]'"
        raise MissingExtra("lm-evaluation-harness is not installed.", hint=hint, extra="lm_eval[api]")


def harness_command(order: HarnessOrder, url: str, name: str) -> list[str]:
    """The harness' command line."""
    asks = f"base_url={url}/v1/completions,model={name},tokenizer_backend=remote,num_concurrent=8,max_retries=3"
    command = [sys.executable, "-P", "-m", PACKAGE, "--model", "local-completions", "--model_args", asks]
    command += ["--tasks", ",".join(order.tasks), "--output_path", str(order.folder)]
    if order.include is not None:
        command += ["--include_path", str(order.include)]
    return command if order.limit is None else [*command, "--limit", str(order.limit)]


def _check_tasks(tasks: Sequence[str]) -> None:
    """Raises: InvalidInput for what would be read as an option or several tasks."""
    for task in tasks:
        if not task or task.startswith("-") or "," in task or "\0" in task:
            raise InvalidInput(f"{task!r} is no name of a task.", field="tasks")


def _run(command: Sequence[str], folder: Path, on_line: OnLine) -> str:
    """Run the harness to its end; returns its last line. Raises: JobError."""
    last = ""
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        for raw in process.stdout:
            line = clean_line(raw.decode(errors="replace")).strip()
            last = line or last
            on_line(line)
        code = process.wait()
    finally:
        _end(process)
    if code:
        raise JobError(f"lm-evaluation-harness ended with {code}: {last[:SHOWN]}")
    return last[:SHOWN]


@contextmanager
def _server(home: Home, model: str, folder: Path) -> Iterator[tuple[str, str]]:
    """A server on a free port of this machine, with its address and model's name. Raises: JobError."""
    command = [sys.executable, "-P", "-m", "edgellm", *home_arguments(home), "serve"]
    environment = {name: value for name, value in os.environ.items() if name != "EDGELLM_HOME"}
    errors = folder / "server.log"
    with errors.open("wb") as err:
        process = subprocess.Popen(
            [*command, "--port", "0", "--model", model, "--json"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=err,
        )
    late = threading.Timer(OPEN_S, process.kill)
    late.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        late.cancel()
        if not line:
            said = clean_line(errors.read_text(errors="replace"))[-SHOWN:]
            raise JobError(f"The server for lm-evaluation-harness did not start: {said}")
        ready = json.loads(line)
        yield ready["url"], ready["model"]
    finally:
        late.cancel()
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process politely, then by force."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
