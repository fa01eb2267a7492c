"""How long the reader of one file may go on; then the system ends the process, whatever it is doing."""

from __future__ import annotations

import signal
import time

BYTES_PER_SECOND = 1024**2
"""A file has a second more for each of these."""
PAGE_S = 0.15
"""And so much for each page that was read: three times what one takes. Pages that are made to be slow gain nothing."""
MOST_TIMES = 15
"""In all at most so many times the usual time: with the usual 20 s, about as long as 6,000 pages take."""


class Clock:
    """The alarm of this process, set for one file."""

    def __init__(self, wall_s: int, length_bytes: int) -> None:
        most_s = wall_s * MOST_TIMES
        self._latest = time.monotonic() + most_s
        signal.setitimer(signal.ITIMER_REAL, min(wall_s + length_bytes / BYTES_PER_SECOND, most_s))

    def page_read(self) -> None:
        """Allow a little more."""
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        at_most = self._latest - time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, max(0.001, min(left + PAGE_S, at_most)))  # zero would stop the clock
