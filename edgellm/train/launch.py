"""Starts the processes that train, hears them, and ends them together."""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from edgellm.errors import EdgeLLMError, TrainingError, error_types
from edgellm.train.environment import TEMPORARY, mlx_environment
from edgellm.train.joining import STOP, package, ssh_command
from edgellm.train.ring import Member, addresses, loopback, ring_environment
from edgellm.train.spec import Broke, Ended, Opened, Saved, Saying, Stepped, Validated, understand

END_GRACE_S = 120.0
"""How long a process may take to finish its step and write a checkpoint."""
_LOG_TAIL_BYTES = 2000
Heard = Opened | Stepped | Validated | Saved | Ended


class Launch:
    """One run's processes, as a context: leaving it leaves none behind.

    Several members divide each batch among them; those on other machines are reached over ssh.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], members: Sequence[Member] = (), base_sha256: str = ""
    ) -> None:
        """`base_sha256`: by which members on other machines find the base; no members: one process, here.

        Raises: TrainingError when ssh cannot be started; what was started before is ended.
        """
        self._log = folder / "train.log"
        self._heard: queue.Queue[tuple[int, bytes | None]] = queue.Queue()
        shared = mlx_environment(environment, folder / TEMPORARY)
        listed = list(members) or loopback(1)
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            for rank, member in enumerate(listed):
                if member.target:
                    process = self._connect(member, package(folder, base_sha256, listed, rank))
                else:
                    process = self._start(folder, shared | ring_environment(folder, addresses(listed), rank))
                self._processes.append(process)
        except BaseException:
            self.kill()  # or it would wait for the others, and nobody for it
            raise
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
            if rank == 0:  # the one that saves; the others only break
                self._has_ended = self._has_ended or isinstance(saying, Ended)
                yield saying
        if not self._has_ended:
            raise TrainingError("The training process ended without a word." + self._last_words())

    def stop(self) -> None:
        """Ask all to write a checkpoint after the step they are in, and to end."""
        for process in self._processes:
            with contextlib.suppress(OSError):
                if process.stdin is None:
                    process.send_signal(signal.SIGTERM)
                else:
                    process.stdin.write(STOP)
                    process.stdin.flush()

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

    def _connect(self, member: Member, sent: bytes) -> subprocess.Popen[bytes]:
        """A process on another machine; it ends when its standard input does."""
        command = ssh_command(member)
        try:
            with self._log.open("ab") as log:
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
                )
        except FileNotFoundError as error:
            raise TrainingError(
                f"{command[0]} is not installed; {member.target!r} cannot be reached without it.",
                hint="Install OpenSSH's client.",
            ) from error
        threading.Thread(target=_feed, args=(process, sent), daemon=True).start()
        return process

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


def _feed(process: subprocess.Popen[bytes], sent: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it ended; why stands in the log
        process.stdin.write(sent)
        process.stdin.flush()


def _error(broke: Broke) -> EdgeLLMError:
    return error_types().get(broke.error, TrainingError)(broke.message, hint=broke.hint)
