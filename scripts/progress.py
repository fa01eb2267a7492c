"""A build's progress and an honest estimate of the time left, from ninja's step counter."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

STEP = re.compile(r"^\s*\[(\d+)/(\d+)\]")
QUIET_INTERVAL_S = 15.0


def parse_step(line: str) -> tuple[int, int] | None:
    """(done, total) from a line such as `[12/140] g++ ...`, or None."""
    match = STEP.match(line)
    if not match:
        return None
    done, total = int(match[1]), int(match[2])
    return (done, total) if 0 < done <= total else None


@dataclass(slots=True)
class Estimate:
    """Time left, from a guess at first and from the measured rate as steps finish."""

    expected_s: float
    """The guess before anything was measured."""
    done: int = 0
    total: int = 0
    at_s: float = 0.0

    def update(self, done: int, total: int, elapsed_s: float) -> None:
        """Note that `done` of `total` steps were finished after `elapsed_s` seconds of building."""
        self.done, self.total, self.at_s = done, total, elapsed_s

    def left_s(self, elapsed_s: float) -> float:
        """Seconds to the end; the guess loses its say as the share of finished steps grows."""
        if not self.done:
            return max(self.expected_s - elapsed_s, 0.0)
        share = self.done / self.total
        measured_s = self.at_s / share
        trust = min(1.0, 2 * share)
        return max(trust * measured_s + (1 - trust) * self.expected_s - elapsed_s, 0.0)


def in_words(seconds: float) -> str:
    """A duration as people say it, no finer than it is known."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 55:
        return f"about {round(seconds / 10) * 10} s"
    if seconds < 90:
        return "about a minute"
    return f"about {round(seconds / 60)} minutes"


class ProgressLine:
    """One line that is redrawn on a terminal, or a line every 15 seconds elsewhere."""

    def __init__(self, clock: Callable[[], float], out: TextIO | None = None) -> None:
        self._clock = clock
        self._out = out or sys.stdout
        self._is_terminal = self._out.isatty()
        self._shown_at = clock()

    def show(self, text: str) -> None:
        """Show the newest state; off a terminal most states are left out."""
        if self._is_terminal:
            self._out.write(f"\r\x1b[2K{text[: shutil.get_terminal_size().columns - 1]}")
        elif self._clock() - self._shown_at >= QUIET_INTERVAL_S:
            self._out.write(f"{text}\n")
            self._shown_at = self._clock()
        self._out.flush()

    def close(self) -> None:
        """Leave the line clean for whatever is printed next."""
        if self._is_terminal:
            self._out.write("\r\x1b[2K")
            self._out.flush()
