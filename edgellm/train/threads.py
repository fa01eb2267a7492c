"""How many threads the BLAS uses: chosen by the speed of steps, again and again.

OpenBLAS' threads wait for each other by spinning. When another program takes one of their processors, a step takes a
multiple of its time and fewer threads are faster; when the processor is free again, they are not.
"""

from __future__ import annotations

from collections import deque
from statistics import median

WINDOW_STEPS = 5
"""Steps that the typical speed is taken from."""
KNOWN_STEPS = 2
"""Steps after which a speed is typical enough to compare with."""
CLEARLY_FASTER = 1.1
"""A try is kept when it is so many times as fast."""
CLEARLY_SLOWER = 0.7
"""A step this slow, against the typical one, may have a neighbour."""
SLOW_STEPS = 2
"""So many of them in a row call for a try at once: a single one was disturbed by what is over, as by a sample."""
FIRST_WAIT_STEPS = 8
"""Steps between two tries; doubled after each that was no good."""
LONGEST_WAIT_STEPS = 64
"""The most it is doubled to."""


class ThreadChoice:
    """Fed with steps; `threads` is what the next one should use. A try is one step with half or twice as many."""

    def __init__(self, most: int) -> None:
        self.most = self.threads = self._present = most
        self._speeds: deque[float] = deque(maxlen=WINDOW_STEPS)
        self._since_try = self._slow = 0
        self._wait = KNOWN_STEPS
        self._goes_down = True
        self._work = ""

    def note(self, tokens: int, seconds: float, work: str = "") -> None:
        """A step of so many tokens, computed with `threads` threads, took `seconds`.

        `work` names what is done in a step: speeds are compared with those of the same work alone.
        """
        if self.most == 1:
            return
        if work != self._work:
            self._work = work
            self._speeds.clear()
            if self.threads != self._present:  # a try has nothing to be compared with
                self.threads = self._present
                return
        speed = tokens / seconds
        if self.threads != self._present:
            self._judge(speed)
            return
        self._since_try += 1
        if self._is_known and speed < CLEARLY_SLOWER * median(self._speeds):
            self._slow += 1
            if self._slow < SLOW_STEPS:
                return
            self._speeds.clear()  # what was typical no longer is
        is_slow, self._slow = self._slow == SLOW_STEPS, 0
        self._speeds.append(speed)
        if is_slow or (self._is_known and self._since_try >= self._wait):
            self.threads = self._other(is_slow)

    @property
    def _is_known(self) -> bool:
        return len(self._speeds) >= KNOWN_STEPS

    def _other(self, is_slow: bool) -> int:
        """The next number in the direction that was good last."""
        if is_slow or self._present == self.most:
            self._goes_down = True
        elif self._present == 1:
            self._goes_down = False
        return max(1, self._present // 2) if self._goes_down else min(self.most, 2 * self._present)

    def _judge(self, speed: float) -> None:
        if speed > CLEARLY_FASTER * median(self._speeds):
            self._present = self.threads
            self._speeds.clear()
            self._speeds.append(speed)
            self._wait = KNOWN_STEPS if self._goes_down else FIRST_WAIT_STEPS  # still fewer may be better still
        else:
            self._goes_down = not self._goes_down
            self._wait = min(max(FIRST_WAIT_STEPS, 2 * self._wait), LONGEST_WAIT_STEPS)
        self.threads = self._present
        self._since_try = 0
