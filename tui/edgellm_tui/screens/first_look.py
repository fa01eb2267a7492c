"""A first look: keys that decide wait until what they decide about was on the screen long enough to be seen."""

from __future__ import annotations

from math import inf
from time import monotonic

from textual.widget import Widget

FIRST_LOOK_S = 0.3
"""Nobody reads faster; a key that comes earlier was meant for what was shown before."""


class FirstLook:
    """Begins when something takes the place of what was decided; over when that was seen."""

    def __init__(self) -> None:
        self._seen_at = -inf

    def begin(self, widget: Widget) -> None:
        """`widget` is about to draw something else."""
        self._seen_at = inf
        widget.call_after_refresh(self._drawn)

    @property
    def is_over(self) -> bool:
        """Whether a key can be meant for what is shown."""
        return monotonic() >= self._seen_at

    def _drawn(self) -> None:
        self._seen_at = monotonic() + FIRST_LOOK_S
