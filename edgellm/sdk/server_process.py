"""A server's process: started so that it outlives its starter, found again by a private file, and ended."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil

from edgellm.decoding import from_json
from edgellm.errors import InvalidInput, JobError
from edgellm.paths import PRIVATE_FILE, Home, home_from, private_dir, write_private
from edgellm.safetext import clean_line
from edgellm.settings import SERVER_TOKEN

CLOCK_SLACK_S = 2.0
"""How far two readings of one process's start may lie apart."""
LAST_WORDS_BYTES = 4096
POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What is kept of a server that was started."""

    pid: int
    pid_started_at: float
    host: str
    port: int
    model: str
    token: str = field(repr=False)
    """An administrator's, for whoever may read the file."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What the server printed when it took its first request."""

    url: str
    model: str
    pid: int


class ServerFiles:
    """The files in which one home's server is found."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._state = home.server / "state.json"
        self._ready = home.server / "ready.json"
        self._errors = home.server / "errors.txt"
        self.lock = home.server / "start.lock"

    def spawn(self, host: str, port: int, model: str, options: Sequence[str] = ()) -> Started:
        """Start `edgellm serve` in a session of its own. Raises: InvalidInput, JobError."""
        token = secrets.token_urlsafe(32)
        where = ["--host", host, "--port", str(port), "--model", model]
        command = [sys.executable, "-m", "edgellm", *home_arguments(self._home), *options, "serve", *where, "--json"]
        environment = {name: value for name, value in os.environ.items() if name != "EDGELLM_HOME"}
        private_dir(self._home.server)
        try:
            with _new_file(self._ready) as out, _new_file(self._errors) as err:
                process = subprocess.Popen(
                    command,
                    cwd=self._home.server,  # never a folder from which a stranger's module could be imported
                    env={**environment, SERVER_TOKEN: token},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            created = psutil.Process(process.pid).create_time()
        except (OSError, psutil.Error) as error:
            raise JobError(f"The server's process could not be started: {error}.") from error
        started = Started(pid=process.pid, pid_started_at=created, host=host, port=port, model=model, token=token)
        write_private(self._state, msgspec.json.encode(started))
        threading.Thread(target=process.wait, name="edgellm-server", daemon=True).start()  # leaves no zombie
        return started

    def started(self) -> Started | None:
        """The server that runs; None when none does, also when its number was given to another process."""
        try:
            found = from_json(self._state.read_bytes(), type=Started)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return found if process_of(found) is not None else None

    def ready(self, started: Started) -> Ready | None:
        """What it said when it took requests; None before."""
        with suppress(FileNotFoundError, msgspec.DecodeError):
            found = from_json(self._ready.read_bytes(), type=Ready)
            return found if found.pid == started.pid else None
        return None

    def last_words(self) -> str:
        """Why the newest server ended, in its own words, on one clean line; empty when it said nothing."""
        try:
            text = self._errors.read_bytes()[-LAST_WORDS_BYTES:].decode(errors="replace")
        except FileNotFoundError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        told = [line.partition(":")[2].strip() for line in lines if line.startswith(("error:", "hint:"))]
        return clean_line(" ".join(told or lines[-1:]))

    def forget(self) -> None:
        """The server has ended as it was asked to."""
        self._state.unlink(missing_ok=True)
        self._errors.unlink(missing_ok=True)


def home_arguments(home: Home) -> list[str]:
    """How a command is told this home. Raises: InvalidInput for one that no command can be told."""
    root = home.data.parent
    if home == home_from({"EDGELLM_HOME": str(root)}):
        return ["--home", str(root)]
    if home == home_from({}):
        return []
    raise InvalidInput("A server cannot be started in a home whose folders lie apart.", field="home")


def process_of(started: Started) -> psutil.Process | None:
    """The process itself, while it runs."""
    try:
        process = psutil.Process(started.pid)
        is_same = abs(process.create_time() - started.pid_started_at) < CLOCK_SLACK_S
        return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def end(started: Started, grace_s: float) -> bool:
    """Ask the server to end when its open answers are complete. Returns whether it did within the time."""
    deadline = time.monotonic() + grace_s
    if process := process_of(started):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
    while process_of(started) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


@contextmanager
def _new_file(path: Path) -> Iterator[int]:
    """A private and empty file, as a number that a process can write to."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
