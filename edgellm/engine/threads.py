"""How many compute threads a decode step uses: chosen by measurement, again and again.

llama.cpp's threads wait for each other by spinning. When another program takes one core, every step takes a multiple of
its time, and fewer threads are faster; when the core is free again, all threads are. Prompt chunks always use
all threads: their work between two barriers is long enough.
"""

from __future__ import annotations

from collections import deque
from statistics import median

WINDOW_STEPS = 12
"""Steps that a typical time is taken from."""
TRIAL_STEPS = 4
"""Steps of a try with another number of threads."""
CLEARLY_FASTER = 0.9
"""A try wins when its typical step takes at most this share of the present one."""
SLOW_RATIO = 1.5
"""A typical step this many times the best one calls for a try with fewer threads."""
BEST_DRIFT = 1.001
"""The best time grows by this a step: contexts grow, and so does what is normal."""
FIRST_RETRY_S = 1.0
"""Decode time after which more threads are tried again; doubled each time that this was no good."""
LONGEST_RETRY_S = 16.0
"""The most it is doubled to, and the time between tries with fewer threads while nothing seems wrong."""


class ThreadPolicy:
    """Fed with decode steps; `threads` is what the next one should use.

    Fewer threads are tried at the beginning, when steps take clearly longer than the best, and now and then; more are
    tried at intervals. A try lasts `TRIAL_STEPS` steps and is kept when it is clearly faster. Steps are compared with
    steps of as many rows only.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.threads = most
        self._present = most
        """The number in force outside of tries."""
        self._kinds: dict[int, _Kind] = {}  # by rows, measured with the present number
        self._shares: list[float] = []  # of a try: its steps' times over what is typical now
        self._has_tried_fewer = False
        self._since_try_s = 0.0
        self._retry_s = FIRST_RETRY_S

    def note(self, rows: int, step_s: float) -> None:
        """A step that decoded `rows` sequences with `threads` threads took `step_s`."""
        if self.most == 1:
            return
        kind = self._kinds.setdefault(rows, _Kind())
        if self.threads != self._present:
            self._judge(kind, step_s)
            return
        kind.times.append(step_s)
        self._since_try_s += step_s
        if kind.is_known:
            self._consider(kind)

    def _consider(self, kind: _Kind) -> None:
        """Whether it is time to try another number."""
        if self._present < self.most and self._since_try_s >= self._retry_s:
            self.threads = self.most
        elif self._present > 1 and self._since_try_s >= self._patience_s(kind.is_slow()):
            self.threads = max(1, self._present * 3 // 4)

    def _patience_s(self, is_slow: bool) -> float:
        """Decode time between two tries with fewer threads."""
        if not self._has_tried_fewer:
            return 0.0
        return FIRST_RETRY_S if is_slow else LONGEST_RETRY_S

    def _judge(self, kind: _Kind, step_s: float) -> None:
        """Keep the number that is being tried when it is clearly faster."""
        self._shares.append(step_s / kind.typical_s if kind.is_known else 1.0)
        if len(self._shares) < TRIAL_STEPS:
            return
        is_retry = self.threads > self._present
        if median(self._shares) <= CLEARLY_FASTER:
            self._present = self.threads
            self._retry_s = FIRST_RETRY_S
            self._kinds.clear()
        elif is_retry:
            self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)
        self._has_tried_fewer = self._has_tried_fewer or not is_retry
        self._shares.clear()
        self.threads = self._present
        self._since_try_s = 0.0


class _Kind:
    """What steps of one number of rows take."""

    def __init__(self) -> None:
        self.times: deque[float] = deque(maxlen=WINDOW_STEPS)
        self._best_s = float("inf")

    @property
    def is_known(self) -> bool:
        return len(self.times) == WINDOW_STEPS

    @property
    def typical_s(self) -> float:
        return median(self.times)

    def is_slow(self) -> bool:
        """Whether steps take clearly longer than the best did; asked after each step."""
        self._best_s = min(self._best_s * BEST_DRIFT, self.typical_s)
        return self.typical_s > SLOW_RATIO * self._best_s
