"""pip at work, with its progress: packages counted while they are found and while they are installed."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.progress import ProgressLine
from scripts.wheel import running

ERROR_LINES = 12
FOUND = "Collecting "
INSTALLING = "Installing collected packages: "


class InstallFailed(Exception):
    """pip could not install; the message holds its last words and what to do."""


@dataclass(slots=True)
class Progress:
    """How far pip is, from its own lines and from what has appeared in the environment."""

    venv: Path
    found: int = 0
    wanted: int = 0
    """Packages that pip installs; 0 while it is still looking for them."""
    before: int = 0
    """Packages that were there when it began to install."""
    lines: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        """Take in a line of pip's output; an empty one says that time has passed."""
        text = line.strip()
        if not text:
            return
        self.lines.append(text)
        if text.startswith(FOUND):
            self.found += 1
        elif text.startswith(INSTALLING):
            self.wanted, self.before = text.count(",") + 1, self._installed()

    def __str__(self) -> str:
        if not self.wanted:
            return f"  finding and fetching packages: {self.found} so far"
        done = min(max(self._installed() - self.before, 0), self.wanted)
        return f"  installing: {done} of {self.wanted} packages"

    def _installed(self) -> int:
        return sum(1 for _ in self.venv.glob("lib/python*/site-packages/*.dist-info"))


def pip_install(venv: Path, arguments: Sequence[str]) -> None:
    """Run `pip install` in `venv`. Raises: InstallFailed."""
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    progress, line = Progress(venv), ProgressLine(time.monotonic)
    with running(command, {**os.environ, "PYTHONUNBUFFERED": "1"}) as (process, output):
        for text in output:
            progress.read(text)
            line.show(str(progress))
        code = process.wait()
    line.close()
    if code != 0:
        raise InstallFailed(explain_failure(command, code, progress.lines))


def explain_failure(command: Sequence[str], code: int, lines: Sequence[str]) -> str:
    """pip's last words, the command to repeat it with, and the usual reason."""
    telling = [line for line in lines if "error" in line.lower()] or lines
    shown = "\n".join(f"    {line[:300]}" for line in telling[-ERROR_LINES:])
    return (
        f"`{' '.join(command)}` ended with {code}:\n{shown}\n"
        "If the package index cannot be reached, check the network or `pip config list`; then `make setup` again."
    )
