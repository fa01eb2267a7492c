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
    """Fed with decode steps of a given number of rows; `threads` is what the next one should use.

    Fewer threads are tried at the beginning, when steps take clearly longer than the best, and now and then; more are
    tried at intervals. A try lasts `TRIAL_STEPS` steps and is kept when it is clearly faster.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.threads = most
        self._present = most
        """The number in force outside of tries."""
        self._rows = 0
        self._times: deque[float] = deque(maxlen=WINDOW_STEPS)
        self._trial: list[float] = []
        self._best_s = float("inf")
        self._has_tried_fewer = False
        self._since_try_s = 0.0
        self._retry_s = FIRST_RETRY_S

    def note(self, rows: int, step_s: float) -> None:
        """A step that decoded `rows` sequences with `threads` threads took `step_s`."""
        if self.most == 1:
            return
        if rows != self._rows:  # another kind of step: times cannot be compared
            self._begin(rows)
            return
        if self.threads != self._present:
            self._judge(step_s)
            return
        self._times.append(step_s)
        self._since_try_s += step_s
        if len(self._times) == WINDOW_STEPS:
            self._consider()

    def _begin(self, rows: int) -> None:
        self._rows = rows
        self._best_s = float("inf")
        self._times.clear()
        self._end_try()

    def _consider(self) -> None:
        """Whether it is time to try another number."""
        typical_s = median(self._times)
        self._best_s = min(self._best_s * BEST_DRIFT, typical_s)
        is_slow = typical_s > SLOW_RATIO * self._best_s
        if self._present < self.most and self._since_try_s >= self._retry_s:
            self.threads = self.most
        elif self._present > 1 and self._since_try_s >= self._patience_s(is_slow):
            self.threads = max(1, self._present * 3 // 4)

    def _patience_s(self, is_slow: bool) -> float:
        """Decode time between two tries with fewer threads."""
        if not self._has_tried_fewer:
            return 0.0
        return FIRST_RETRY_S if is_slow else LONGEST_RETRY_S

    def _judge(self, step_s: float) -> None:
        """Keep the number that is being tried when it is clearly faster."""
        self._trial.append(step_s)
        if len(self._trial) < TRIAL_STEPS:
            return
        tried, is_retry = self.threads, self.threads > self._present
        self._has_tried_fewer = self._has_tried_fewer or not is_retry
        if median(self._trial) <= CLEARLY_FASTER * median(self._times):
            self._present = tried
            self._retry_s = FIRST_RETRY_S
            self._times.clear()
        elif is_retry:
            self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)
        self._end_try()

    def _end_try(self) -> None:
        self._trial.clear()
        self.threads = self._present
        self._since_try_s = 0.0
