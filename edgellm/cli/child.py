"""A Python child that tries something native, so that only the child dies of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ended:
    """How the child ended."""

    exit_code: int | None
    """Negative: the signal that ended it. None: it took too long."""
    stdout: str
    stderr: str

    @property
    def worked(self) -> bool:
        """Whether it reached its end without complaint."""
        return self.exit_code == 0

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object on the last line it printed; empty when there is none."""
        lines = self.stdout.strip().splitlines()
        try:
            found = json.loads(lines[-1]) if lines else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def how(self) -> str:
        """How it ended, in words, with the last line it wrote."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        last = f": {lines[-1].strip()}" if lines else ""
        if self.exit_code is None:
            return "took too long"
        if self.exit_code < 0:
            return f"was ended by {signal.Signals(-self.exit_code).name}"
        return f"ended with {self.exit_code}{last}"


def run_python(arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Ended:
    """Run this Python with `arguments` to its end; nothing is raised for what the child does.

    It imports nothing from the current folder (`-P`), where a stranger's module may lie.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(environment),
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return Ended(None, _text(late.stdout), _text(late.stderr))
    return Ended(done.returncode, _text(done.stdout), _text(done.stderr))


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")
