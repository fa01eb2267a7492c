"""Is the machine idle enough for a timing to mean something?"""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import dataclass

import psutil

MAX_OTHER_LOAD = 0.10
"""Share of all processors that others may use while nothing is measured."""
MIN_GRANTED = 0.90
"""Share of the wall time that a spinning process must get on every processor at once."""
LOOK_S = 1.0
SPIN_S = 0.4
PATIENCE_S = 60.0


class MachineBusy(Exception):
    """Others use the processors: a timing taken now would say nothing."""


@dataclass(frozen=True, slots=True)
class Load:
    """What others took of the machine while it was looked at."""

    other_share: float
    """Processor time used by others, as a share of all processors."""
    granted_share: float
    """Smallest share of the wall time that one of the spinning processes got."""
    average_1_min: float

    @property
    def is_idle(self) -> bool:
        """Whether a timing taken now means something."""
        return self.other_share <= MAX_OTHER_LOAD and self.granted_share >= MIN_GRANTED

    def __str__(self) -> str:
        return f"others use {self.other_share:.0%}, a spinning process gets {self.granted_share:.0%} of a processor"


def look() -> Load:
    """Watch the machine for a second, then spin on every processor at once."""
    other = psutil.cpu_percent(interval=LOOK_S) / 100
    cores = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        granted = min(pool.map(spin, [SPIN_S] * cores, chunksize=1))
    return Load(other, granted, os.getloadavg()[0])


def spin(wall_s: float) -> float:
    """Compute for `wall_s` seconds; the share of it that this process was granted."""
    started, started_cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - started < wall_s:
        pass
    return (time.process_time() - started_cpu) / (time.perf_counter() - started)


def wait_until_idle(patience_s: float = PATIENCE_S) -> Load:
    """The load once the machine is idle. Raises: MachineBusy when it does not become so."""
    deadline = time.monotonic() + patience_s
    while not (load := look()).is_idle:
        if time.monotonic() > deadline:
            raise MachineBusy(f"The machine is busy: {load}. Stop what else runs, or pass --allow-busy.")
    return load
