"""What a training run has said so far: its curves and its newest numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from edgellm.events import Cancelled, Failed, Finished, JobEvent, Measured, Progressed, Sampled, Started

Point = tuple[float, float]
"""A step and a loss."""


@dataclass(slots=True)
class Curve:
    """Grows with the events of one attempt."""

    doing: str = ""
    """What the run does now, in its own words."""
    losses: list[Point] = field(default_factory=list)
    valid_losses: list[Point] = field(default_factory=list)
    done: float = 0
    total: float = 0
    """0 while unknown, here and below."""
    unit: str = ""
    """What `done` and `total` count: steps, and before them what else there is to do."""
    left_s: float = 0.0
    tokens_per_s: float = 0.0
    peak_memory_bytes: float = 0.0
    first_sample: Sampled | None = None
    """What the model said before it learnt anything; None where it was not asked."""
    sample: Sampled | None = None
    """What it said last."""
    ending: Finished | Failed | Cancelled | None = None
    version: int = 0
    """Grows with every event."""

    def note(self, event: JobEvent) -> None:
        """Take an event in."""
        self.version += 1
        if isinstance(event, Started):
            self.doing, self.unit = event.title, event.unit
            self.done, self.total = 0, event.total or 0
        elif isinstance(event, Progressed):
            self.done, self.total = event.done, event.total or self.total
            self.left_s = event.left_s or 0.0
        elif isinstance(event, Measured):
            self._measure(event)
        elif isinstance(event, Sampled):
            self.sample = event
            self.first_sample = self.first_sample or event
        else:
            self.ending, self.left_s = event, 0.0

    def _measure(self, event: Measured) -> None:
        for name, points in (("loss", self.losses), ("valid_loss", self.valid_losses)):
            value = event.values.get(name)
            if value is not None and math.isfinite(value):
                points.append((event.step, value))
        self.tokens_per_s = event.values.get("tokens_per_s", self.tokens_per_s)
        self.peak_memory_bytes = event.values.get("peak_memory_bytes", self.peak_memory_bytes)


def ticks(first: float, last: float, most: int) -> list[int]:
    """At most `most` whole steps from the first to the last, evenly apart as far as whole steps can be."""
    parts = max(min(most - 1, int(last - first)), 1)
    return sorted({round(first + (last - first) * part / parts) for part in range(parts + 1)})


def marks(top: float, most: int) -> list[float]:
    """Round losses from 0 to `top`, at most `most` and the 0."""
    sizes = (digit * 10.0**power for power in range(-9, 9) for digit in (1, 2, 5))
    size = next((size for size in sizes if top / size <= max(most, 1)), top)
    return [number * size for number in range(int(top / size) + 1)]


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` points: means of neighbours, so that a long run is drawn as fast as a short one."""
    size = math.ceil(len(points) / max(most, 1))
    if size <= 1:
        return list(points)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(fmean(step for step, _ in group), fmean(loss for _, loss in group)) for group in groups]
