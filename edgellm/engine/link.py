"""One worker process as its face sees it: started, spoken to, listened to, and mourned."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

from edgellm.engine import wire
from edgellm.engine.frames import READ_BYTES, Frames, WireError
from edgellm.engine.outcome import Failed, failed
from edgellm.engine.watchdog import HUNG_EXIT
from edgellm.engine.worker_log import WorkerLog
from edgellm.errors import WorkerDied

EXIT_WAIT_S = 10.0
"""How long a worker may take to end after it was asked to, or after its socket closed."""

Receiver = Callable[[wire.AnyAnswer], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a worker process ended."""

    exit_code: int | None
    """Negative: the signal that killed it; None: it never started."""
    failure: Failed
    """What its open requests are told."""
    was_orderly: bool
    """It ended because it was asked to, or because it could not open the model and said so."""


class Link:
    """A worker process, one thread that writes to it and one that reads from it.

    Sending never blocks. Every receiver gets exactly one ending answer: the worker's own, or `Refused` when the process
    ends first. Receivers are called by the reading thread and must not block.
    """

    def __init__(self, log: WorkerLog, *, delay_s: float = 0.0, on_death: Callable[[Death], None]) -> None:
        """Start the process after `delay_s`; what is sent until then is kept."""
        self.process: subprocess.Popen[bytes] | None = None
        self.death: Death | None = None
        self._log = log
        self._on_death = on_death
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._receivers: dict[int, Receiver] = {}
        self._open_failure: Failed | None = None
        self._lock = threading.Lock()
        self._is_closing = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._run, args=(delay_s,), name="edgellm-link", daemon=True).start()

    @property
    def open_asks(self) -> int:
        """How many asks have no ending answer yet."""
        return len(self._receivers)

    def send(self, ask_id: int, frame: bytes, receiver: Receiver) -> None:
        """Send an ask whose answers go to `receiver`."""
        with self._lock:
            death = self.death
            if death is None:
                self._receivers[ask_id] = receiver
                self._outbox.put(frame)
        if death is not None:
            receiver(wire.Refused(id=ask_id, failed=death.failure))

    def tell(self, frame: bytes) -> None:
        """Send something that has no answer; takes no lock, so finalisers may call it."""
        self._outbox.put(frame)

    def kill(self) -> None:
        """End the process at once."""
        self._is_closing.set()
        if self.process is not None:
            self.process.kill()

    def close(self, farewell: bytes) -> None:
        """Send `farewell`, wait for the process to end, kill it when it does not. Any open ask is refused."""
        self._is_closing.set()
        self._outbox.put(farewell)
        if not self._ended.wait(EXIT_WAIT_S):
            self.kill()
            self._ended.wait(EXIT_WAIT_S)

    def _run(self, delay_s: float) -> None:
        """The writing thread: start the process, then write until the reader says that it is over."""
        if self._is_closing.wait(delay_s):
            self._end(None, "it was stopped before it started")
            return
        try:
            ours = self._start()
        except OSError as error:
            self._end(None, f"it could not be started: {error}")
            return
        threading.Thread(target=self._listen, args=(ours,), name="edgellm-link-reader", daemon=True).start()
        while (frame := self._outbox.get()) is not None:
            try:
                ours.sendall(frame)
            except OSError:
                return  # the reading thread sees the same end and reports it

    def _start(self) -> socket.socket:
        """Start the process. Returns: our end of its socket. Raises: OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self.process = _spawn(theirs, self._log)
            except OSError:
                ours.close()
                raise
        return ours

    def _listen(self, ours: socket.socket) -> None:
        """The reading thread: hand answers out until the worker closes its end."""
        assert self.process is not None
        trouble = ""
        frames = Frames[wire.AnyAnswer](wire.AnyAnswer)
        try:
            while data := ours.recv(READ_BYTES):
                for answer in frames.feed(data):
                    self._hand_out(answer)
        except WireError as error:
            trouble = error.message
            self.process.kill()
        except OSError as error:
            trouble = f"the connection broke: {error}"
            self.process.kill()
        except Exception as error:  # a receiver calls what came from outside; nobody would listen any more
            trouble = f"a watcher of its answers failed: {error!r}"
            self.process.kill()
        self._outbox.put(None)
        exit_code = _wait(self.process)
        ours.close()
        self._end(exit_code, trouble or ("it was stopped" if self._is_closing.is_set() else _cause(exit_code)))

    def _hand_out(self, answer: wire.AnyAnswer) -> None:
        if isinstance(answer, wire.STREAMING):
            receiver = self._receivers.get(answer.id)
        else:
            receiver = self._receivers.pop(answer.id, None)
        if isinstance(answer, wire.Refused) and answer.id == wire.OPEN_ID:
            self._open_failure = answer.failed
        if receiver is not None:
            receiver(answer)

    def _end(self, exit_code: int | None, cause: str) -> None:
        """Record the death and end every open ask with it."""
        death = Death(
            exit_code=exit_code,
            failure=self._open_failure or failed(self._died(exit_code, cause)),
            was_orderly=self._is_closing.is_set() or self._open_failure is not None,
        )
        self._log.close()
        self._on_death(death)
        with self._lock:
            self.death = death
            orphans, self._receivers = self._receivers, {}
        for ask_id, receiver in orphans.items():
            receiver(wire.Refused(id=ask_id, failed=death.failure))
        self._ended.set()

    def _died(self, exit_code: int | None, cause: str) -> WorkerDied:
        again = "" if self._is_closing.is_set() else "The next request starts it again."
        log = f" Its log: {self._log.path}" if self._log.path else ""
        return WorkerDied(
            f"The engine process ended while it worked: {cause}.",
            hint=f"{again}{log}".strip(),
            exit_code=exit_code,
            detail=self._log.last_lines(),
        )


def _spawn(theirs: socket.socket, log: WorkerLog) -> subprocess.Popen[bytes]:
    """The process, in its own process group: the terminal's Ctrl+C belongs to the face."""
    descriptor = theirs.fileno()
    return subprocess.Popen(
        [sys.executable, "-m", "edgellm.engine.worker", "--fd", str(descriptor)],
        stdin=subprocess.DEVNULL,
        stdout=log.handle,
        stderr=log.handle,
        pass_fds=(descriptor,),
        process_group=0,
    )


def _wait(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(EXIT_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _cause(exit_code: int) -> str:
    if exit_code == HUNG_EXIT:
        return "it was stuck in one step for ten minutes"
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"killed by signal {-exit_code}"
