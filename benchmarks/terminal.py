"""The terminal app in a terminal of its own, read as fast as it writes."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

from benchmarks.arms.base import ArmFailed

APP = "from edgellm_tui.app import run; raise SystemExit(run())"
READY = "Message"
"""Placeholder of the message box, the last part of the first screen."""
QUIT = "\x11"
LIMIT_S = 60.0


class Terminal:
    """One run of the app, from its start to its end."""

    def __init__(self, columns: int, rows: int, variables: Mapping[str, str]) -> None:
        """Start the app in a terminal of this size, with these variables added to the environment."""
        self._leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **variables}
        self._written = bytearray()
        self._changed = threading.Condition()
        self.started_at = time.perf_counter()
        self._app = subprocess.Popen(
            [sys.executable, "-c", APP],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=environment,
            start_new_session=True,
        )
        os.close(follower)
        self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # the app has closed its side
            while piece := os.read(self._leader, 65536):
                with self._changed:
                    self._written += piece
                    self._changed.notify_all()

    def wait_for(self, text: str) -> float:
        """Seconds from the app's start until `text` was written. Raises: ArmFailed."""
        with self._changed:
            if not self._changed.wait_for(lambda: text.encode() in self._written, LIMIT_S):
                raise ArmFailed(f"The app did not write {text!r} within {LIMIT_S:g} s: {bytes(self._written[-300:])!r}")
        return time.perf_counter() - self.started_at

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._leader, keys.encode())

    def cpu_s(self) -> float:
        """Processor time of the app alone so far: comparable when other programs share the cores."""
        used = psutil.Process(self._app.pid).cpu_times()
        return float(used.user + used.system)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Quit the app as a user does, by force when it does not end."""
        with suppress(OSError):
            self.press(QUIT)
        try:
            self._app.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self._app.kill()
            self._app.wait()
        self._reader.join()
        os.close(self._leader)
