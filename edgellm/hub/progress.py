"""Progress of moving bytes: how far, how fast, how long still."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgellm.events import JobEvent, Progressed

OnEvent = Callable[[JobEvent], None]
"""Receives events; an exception it raises stops the work."""

_EVERY_S = 0.1
_SMOOTHING_S = 3.0
"""Time over which the rate forgets."""


class Meter:
    """Counts bytes and reports at most ten times a second."""

    def __init__(
        self, on_event: OnEvent, total: int, done: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._on_event = on_event
        self._total = total
        self._clock = clock
        self._done = self._reported = done
        self._reported_at = clock()
        self._rate: float | None = None

    def advance(self, size: int) -> None:
        """`size` more bytes are done."""
        self._done += size
        now = self._clock()
        if now - self._reported_at >= _EVERY_S or self._done == self._total:
            self._report(now, "")

    def restart(self, done: int, note: str) -> None:
        """Only `done` bytes count after all, or the work goes on after a break; says why."""
        self._done = self._reported = done
        self._report(self._clock(), note)

    def _report(self, now: float, note: str) -> None:
        passed = now - self._reported_at
        if passed > 0 and self._done > self._reported:
            recent = (self._done - self._reported) / passed
            weight = min(1.0, passed / _SMOOTHING_S)
            self._rate = recent if self._rate is None else self._rate + weight * (recent - self._rate)
        left = (self._total - self._done) / self._rate if self._rate else None
        self._reported, self._reported_at = self._done, now
        self._on_event(Progressed(done=self._done, total=self._total, rate=self._rate, left_s=left, note=note))
