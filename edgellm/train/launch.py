"""Starts the processes that train, hears them, and ends them together."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from edgellm.errors import EdgeLLMError, TrainingError, error_types
from edgellm.paths import private_dir, write_private
from edgellm.train.blas import blas_environment
from edgellm.train.spec import Broke, Ended, Opened, Saying, Stepped, Validated, understand

END_GRACE_S = 120.0
"""How long a process may take to finish its step and write a checkpoint."""
_LOG_TAIL_BYTES = 2000
Heard = Opened | Stepped | Validated | Ended


class Launch:
    """One run's processes, as a context: leaving it leaves none behind.

    Several ranks on one machine divide each batch among them and average through MLX's ring backend on loopback
    (https://ml-explore.github.io/mlx/build/html/usage/distributed.html).
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], ranks: int = 1) -> None:
        self._log = folder / "train.log"
        self._heard: queue.Queue[tuple[int, bytes | None]] = queue.Queue()
        private_dir(folder / "tmp")
        shared = blas_environment(environment, folder / "blas") | {"TMPDIR": str(folder / "tmp")}
        places = _ring(folder, ranks) if ranks > 1 else [{}]
        self._processes = [self._start(folder, {**shared, **place}) for place in places]
        self._running = set(range(len(self._processes)))
        self._has_ended = False
        for rank, process in enumerate(self._processes):
            threading.Thread(target=self._listen, args=(rank, process), daemon=True).start()

    def __enter__(self) -> Launch:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def sayings(self) -> Iterator[Heard]:
        """What the run says, until it has ended; who stopped listening may go on.

        Raises: the error with which it broke, or TrainingError.
        """
        while self._running:
            rank, line = self._heard.get()
            if line is None:
                self._running.discard(rank)
                self._check_end(rank)
                continue
            saying = self._understood(line)
            if isinstance(saying, Broke):
                raise _error(saying)
            if not isinstance(saying, Ended):
                yield saying
            elif not self._has_ended:  # every rank says it
                self._has_ended = True
                yield saying
        if not self._has_ended:
            raise TrainingError("The training process ended without a word." + self._last_words())

    def stop(self) -> None:
        """Ask all to write a checkpoint after the step they are in, and to end."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End all now."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "edgellm.train.child", str(folder)],
                cwd=folder,  # never a folder from which a stranger's module could be imported
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def _listen(self, rank: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._heard.put((rank, line))
        self._heard.put((rank, None))

    def _understood(self, line: bytes) -> Saying:
        try:
            return understand(line)
        except msgspec.MsgspecError as error:
            raise TrainingError(f"The training process said something unknown: {line[:200]!r}.") from error

    def _check_end(self, rank: int) -> None:
        code = self._processes[rank].wait()
        if code:
            how = f"signal {-code}" if code < 0 else f"code {code}"
            raise TrainingError(
                f"The training process {rank} ended with {how}.{self._last_words()}",
                hint="Resume the run; it goes on from its last checkpoint.",
            )

    def _last_words(self) -> str:
        try:
            words = self._log.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return f" Its last words: {words[-1]}" if words else ""


def _ring(folder: Path, ranks: int) -> list[dict[str, str]]:
    """What each rank of a ring on this machine needs to know."""
    hosts = folder / "ring.json"
    write_private(hosts, json.dumps([[f"127.0.0.1:{port}"] for port in _free_ports(ranks)]).encode())
    threads = str(max(1, (os.cpu_count() or 1) // ranks))
    return [
        {"MLX_HOSTFILE": str(hosts), "MLX_RANK": str(rank), "OPENBLAS_NUM_THREADS": threads} for rank in range(ranks)
    ]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _error(broke: Broke) -> EdgeLLMError:
    return error_types().get(broke.error, TrainingError)(broke.message, hint=broke.hint)
