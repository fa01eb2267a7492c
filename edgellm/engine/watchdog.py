"""Notices a step that never comes back, and ends the worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LOOK_EVERY_S = 5.0
MOST_LOOKS = 120
"""Ten minutes: a slow machine reads its first prompt tokens in far less."""
HUNG_EXIT = 87
"""Exit code of a worker that was ended because of a stuck step."""


class Watchdog:
    """Looks now and then whether the engine is still in the same step.

    It counts its own looks rather than seconds: a process that was stopped, or a machine that slept, is not stuck.
    """

    def __init__(self, give_up: Callable[[], None]) -> None:
        """`give_up` is called once, by another thread, after `MOST_LOOKS` at the same step."""
        self._steps = 0
        self._step = 0
        """Number of the step in progress; 0 between steps."""
        self._give_up = give_up
        threading.Thread(target=self._watch, name="edgellm-watchdog", daemon=True).start()

    def watched(self, step: Callable[[], bool]) -> bool:
        """Take a step under its eyes."""
        self._steps += 1
        self._step = self._steps
        try:
            return step()
        finally:
            self._step = 0

    def _watch(self) -> None:
        seen = looks = 0
        while looks < MOST_LOOKS:
            time.sleep(LOOK_EVERY_S)
            step = self._step
            looks = looks + 1 if step and step == seen else 0
            seen = step
        self._give_up()
