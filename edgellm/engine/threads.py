"""How many compute threads: fewer when the processor is shared, all again later.

llama.cpp's threads wait for each other by spinning: when another program takes one core, every step takes a
multiple of its time, and fewer threads are faster.
"""

from __future__ import annotations

from dataclasses import dataclass

SLOW_RATIO = 2.0
"""A step that takes this many times the best of its kind is slow."""
BEST_DRIFT = 1.001
"""The best time of a kind grows by this a step: contexts grow, and so does what is normal."""
PATIENCE_STEPS = 8
"""Slow steps in a row before fewer threads are tried, and steps of the trial."""
FIRST_RETRY_S = 30.0
"""Step time after which all threads are tried again; doubled each time that this was no good."""
LONGEST_RETRY_S = 600.0


@dataclass(slots=True)
class _Trial:
    """Fewer threads on probation."""

    rows: int
    threads_before: int
    slow_s: float
    steps: int = 0
    best_s: float = float("inf")


class ThreadPolicy:
    """Fed with decode steps, proposes thread counts between 1 and `most`."""

    def __init__(self, most: int) -> None:
        self.threads = most
        self._most = most
        self._best_s: dict[tuple[int, int], float] = {}  # by decode rows and threads
        self._slow_steps = 0
        self._trial: _Trial | None = None
        self._since_change_s = 0.0
        self._retry_s = FIRST_RETRY_S
        self._is_retry = False

    def note(self, rows: int, step_s: float) -> int | None:
        """A step that decoded `rows` sequences took `step_s`. Returns a new thread count, or None to stay."""
        self._since_change_s += step_s
        if self._trial is not None:
            return self._judge(self._trial, rows, step_s)
        kind = (rows, self.threads)
        best = min(self._best_s.get(kind, step_s) * BEST_DRIFT, step_s)
        self._best_s[kind] = best
        self._slow_steps = self._slow_steps + 1 if step_s >= SLOW_RATIO * best else 0
        if self._slow_steps >= PATIENCE_STEPS and self.threads > 1:
            return self._try_fewer(rows, step_s)
        if self.threads < self._most and self._since_change_s >= self._retry_s:
            self._is_retry = True
            return self._change(self._most)
        return None

    def _try_fewer(self, rows: int, step_s: float) -> int:
        if self._is_retry and self._since_change_s < self._retry_s:
            self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)
        self._trial = _Trial(rows, self.threads, step_s)
        return self._change(max(1, self.threads * 3 // 4))

    def _judge(self, trial: _Trial, rows: int, step_s: float) -> int | None:
        """Keep fewer threads when they are faster; otherwise slow is what such steps are now."""
        if rows != trial.rows:
            return None
        trial.steps += 1
        trial.best_s = min(trial.best_s, step_s)
        if trial.steps < PATIENCE_STEPS:
            return None
        self._trial = None
        if trial.best_s < trial.slow_s:
            return None
        self._best_s[rows, trial.threads_before] = trial.slow_s
        return self._change(trial.threads_before)

    def _change(self, threads: int) -> int:
        self.threads = threads
        self._slow_steps = 0
        self._since_change_s = 0.0
        return threads
