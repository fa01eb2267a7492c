"""The command in a pseudo-terminal, on a scripted SDK: what goes over the wire is what a terminal would see.

Run as a module it is the child: `python -m tests.unit.cli.terminal SCENARIO ARGUMENT...`
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from edgellm.errors import EdgeLLMError
from edgellm.types import Delta, Loading, Notice, Prefill, StreamEvent

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 15.0
PAYLOADS = (
    "\x1b]52;c;cm0gLXJmIH4=\x07",  # writes the clipboard
    "\x1b]0;owned\x1b\\",  # sets the title, and terminals can be made to type it back
    "\x1b[2J\x1b[H",  # clears the screen
    "\x1b[6n",  # asks for the cursor, answered as typed input
    "\x9b31m\x9d0;owned\x9c",  # the same with C1 controls
    "\x1bP$q\x1b\\",  # a device control string
    "\u202egnp.exe\u2066",  # reverses what is read
    "\rError: \x08\x08\x7f",
)


def hostile() -> Iterator[StreamEvent]:
    """Every payload in text, reasoning, notices and names, cut at every possible place."""
    yield Loading(model="starter" + PAYLOADS[0], fraction=0.5)
    yield Prefill(done_tokens=1, total_tokens=2)
    yield Notice(text=f"Left out {PAYLOADS[2]}{PAYLOADS[0]}")
    for payload in PAYLOADS:
        for cut in range(len(payload) + 1):
            yield Delta(reasoning=payload[:cut])
            yield Delta(reasoning=payload[cut:])
    for payload in PAYLOADS:
        for cut in range(len(payload) + 1):
            yield Delta(text=payload[:cut])
            yield Delta(text=payload[cut:] + " ")


def slow() -> Iterator[StreamEvent]:
    """An answer long enough to be interrupted."""
    for number in range(400):
        yield Delta(text=f"w{number} ")
        time.sleep(0.05)


def short() -> Iterator[StreamEvent]:
    """Two words."""
    yield Delta(text="Rhine, ")
    yield Delta(text="Nile.")


SCENARIOS = {"hostile": hostile, "slow": slow, "short": short}


def _accept_interrupts() -> None:
    """A child of a shell's background job inherits that Ctrl+C is ignored; a person's terminal has it on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A child in a pseudo-terminal of 60 columns."""

    def __init__(self, scenario: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.cli.terminal", scenario, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", **(environment or {})},
            start_new_session=True,
            preexec_fn=_accept_interrupts,
        )
        os.close(slave)
        self.seen = b""
        self._mark = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._child.kill()
        self._child.wait()
        os.close(self._master)

    def send(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    def interrupt(self) -> None:
        """Press Ctrl+C once the cursor has come to rest: readline misses it between its prompt and its first wait."""
        time.sleep(0.3)
        self.send("\x03")

    def terminate(self) -> None:
        """End the command from outside."""
        self._child.terminate()

    def leave(self) -> None:
        """Press Ctrl+D at the cursor: before it is there, nobody reads the key."""
        self.expect("> ")
        self.send("\x04")

    def expect(self, text: str) -> None:
        """Read until `text` has come since the last expectation was met."""
        while text.encode() not in self.seen[self._mark :]:
            chunk = self._next()
            assert chunk, f"waited for {text!r}, saw {self.seen.decode(errors='replace')!r}"
            self.seen += chunk
        self._mark = self.seen.index(text.encode(), self._mark) + len(text.encode())

    def wait(self) -> int:
        """Read to the end. Returns: the exit code."""
        while chunk := self._next():
            self.seen += chunk
        return self._child.wait(PATIENCE_S)

    def _next(self) -> bytes:
        """What comes next; empty when the other end was closed or nothing came for too long."""
        ready, _, _ = select.select([self._master], [], [], PATIENCE_S)
        try:
            return os.read(self._master, 65536) if ready else b""
        except OSError:  # how Linux tells that the other end was closed
            return b""


def main(scenario: str, arguments: list[str]) -> int:
    """Be the command in this terminal, with a scripted SDK."""
    from edgellm.cli.command import run
    from edgellm.cli.world import world_of_process
    from tests.unit.cli.fakes import FakeEdge

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl+C reaches this process
    world = world_of_process()
    edge = FakeEdge()
    script = SCENARIOS[scenario]

    class Again:
        """A script that begins anew with every answer."""

        def __iter__(self) -> Iterator[StreamEvent | EdgeLLMError]:
            return iter(script())

    edge.script = Again()
    world.opener = edge.open
    return run(arguments, world)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
