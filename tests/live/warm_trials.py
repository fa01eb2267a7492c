"""Inspection children without the start of a Python each: one warm process forks for every file.

`python -m tests.live.warm_trials` reads one JSON line a trial and answers with its exit code. Every trial is a process
of its own under the limits of `edgellm.limited`; where that would become a new Python, the fork goes on as it is.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from edgellm import limited
from edgellm.limited import Ended, Limits

MODULE = "edgellm.engine.trial"


class WarmTrials:
    """Stands in for `edgellm.limited.run_limited`; several threads may call it, each gets a server of its own."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._servers = [self._start() for _ in range(count)]
        self._idle: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
        for server in self._servers:
            self._idle.put(server)

    def run_limited(self, command: Sequence[str], limits: Limits, _environment: Mapping[str, str]) -> Ended:
        """As the function it stands in for."""
        server = self._idle.get()
        out, err = (self._folder / f"{server.pid}.{name}" for name in ("out", "err"))
        wall_s = limits.wall_s
        numbers = (limits.memory_bytes, wall_s * (os.cpu_count() or 1), wall_s, limits.output_bytes)
        assert server.stdin
        assert server.stdout
        server.stdin.write(json.dumps([str(out), str(err), [*map(str, numbers), *command]]) + "\n")
        server.stdin.flush()
        exit_code = int(server.stdout.readline())
        ended = Ended(exit_code, out.read_text(errors="replace"), err.read_text(errors="replace"))
        self._idle.put(server)
        return ended

    def close(self) -> None:
        """End the servers. Raises: AssertionError when one of them had died."""
        for server in self._servers:
            server.communicate(timeout=30)
        assert [server.returncode for server in self._servers] == [0] * len(self._servers)

    def _start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # a fork takes no threads along
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, "-m", __name__], stdin=pipe, stdout=pipe, env=environment, text=True)


def serve() -> None:
    """Fork for every line of standard input until it ends."""
    from edgellm.engine import trial
    from edgellm.engine.llama import opening  # warm: the trial imports it late

    assert opening
    for line in sys.stdin:
        out, err, arguments = json.loads(line)
        child = os.fork()
        if child == 0:
            _try(trial.main, out, err, arguments)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _try(main: Callable[[Sequence[str]], int], out: str, err: str, arguments: Sequence[str]) -> NoReturn:
    """Be the trial, in a fork."""

    def execv(_program: str, command: Sequence[str]) -> NoReturn:
        code = main(command[command.index(MODULE) + 1 :])
        sys.stdout.flush()
        os._exit(code)

    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
        os.execv = execv  # type: ignore[assignment]
        limited._become(arguments)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


if __name__ == "__main__":
    serve()
