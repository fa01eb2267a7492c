"""An estimate of each request's energy, from what the machine reports of its power."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

POWERCAP = Path("/sys/class/powercap")
"""Linux's energy counters (kernel documentation, power/powercap): often readable by root alone."""
NVIDIA = ("nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits")
READ_S = 5.0
"""A tool that has not answered by then reports nothing."""
_PACKAGE = re.compile(r"intel-rapl:\d+")
"""A processor's own zone, also an AMD's; its parts (`intel-rapl:0:0`) are counted in it."""


class Counter(Protocol):
    """Joules since some moment; it only grows."""

    def joules(self) -> float:
        """Now. Fast: no process is started."""

    def sample(self) -> None:
        """Look at the power, where that takes longer; called every few seconds while requests run."""


class Rapl:
    """The processors' own counters of microjoules, which begin anew at a known number."""

    def __init__(self, folder: Path = POWERCAP) -> None:
        self._zones = [_Zone(path) for path in sorted(folder.glob("intel-rapl:*")) if _is_package(path)]
        self._zones = [zone for zone in self._zones if zone.is_readable]

    def __bool__(self) -> bool:
        return bool(self._zones)

    def joules(self) -> float:
        """Of all processors together."""
        return sum(zone.joules() for zone in self._zones)

    def sample(self) -> None:
        """Nothing: reading a counter is fast."""


class _Zone:
    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._most = _number(folder / "max_energy_range_uj")
        self._last = _number(self._file)
        self._total = 0

    @property
    def is_readable(self) -> bool:
        return self._last is not None

    def joules(self) -> float:
        now = _number(self._file)
        if now is not None and self._last is not None:
            grown = now - self._last
            if grown < 0:  # the counter began anew; without its end, what it had counted until then is unknown
                grown = grown + self._most if self._most else 0
            self._total += grown
            self._last = now
        return self._total / 1e6


class Nvidia:
    """The power of NVIDIA's GPUs as nvidia-smi says it, added up over time; constant between two looks."""

    def __init__(
        self, read: Callable[[], float | None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`read`: watts of all GPUs together; None where they cannot be told."""
        self._read = read or read_nvidia
        self._clock = clock
        self._lock = threading.Lock()
        self._watts = self._read()
        self._total_j, self._at = 0.0, clock()

    def __bool__(self) -> bool:
        return self._watts is not None

    def joules(self) -> float:
        """Up to now, at the power of the last look."""
        with self._lock:
            now = self._clock()
            self._total_j += (self._watts or 0.0) * (now - self._at)
            self._at = now
            return self._total_j

    def sample(self) -> None:
        """Look again; takes some tens of milliseconds."""
        watts = self._read()
        self.joules()
        with self._lock:
            self._watts = self._watts if watts is None else watts


class Meter:
    """Shares what the machine uses evenly among the requests that run. Belongs to one event loop, but for `sample`.

    It is an estimate: whatever else the machine does meanwhile is in it, and what it uses while nothing runs is not.
    """

    def __init__(self, counters: Sequence[Counter] = ()) -> None:
        """`counters`: none where the machine reports nothing."""
        self._counters = counters
        self._running = 0
        self._share_j = 0.0
        self._last_j = 0.0

    @property
    def is_running(self) -> bool:
        """Whether there is something to measure."""
        return bool(self._counters) and self._running > 0

    def begin(self) -> float:
        """A request runs from now on. Returns: what `end` needs to know."""
        self._advance()
        self._running += 1
        return self._share_j

    def end(self, begun: float) -> float | None:
        """The request has ended. Returns: joules; None where the machine reports nothing."""
        self._advance()
        self._running -= 1
        return self._share_j - begun if self._counters else None

    def sample(self) -> None:
        """Let the counters look at the power. Any thread."""
        for counter in self._counters:
            counter.sample()

    def _advance(self) -> None:
        now_j = sum(counter.joules() for counter in self._counters)
        if self._running:
            self._share_j += (now_j - self._last_j) / self._running
        self._last_j = now_j


def meter_here() -> Meter:
    """What this machine reports: its processors, its GPUs, both or nothing."""
    return Meter([counter for counter in (Rapl(), Nvidia()) if counter])


def read_nvidia() -> float | None:
    """Watts of all GPUs; None where nvidia-smi is missing, or knows no power."""
    if not shutil.which(NVIDIA[0]):
        return None
    try:
        found = subprocess.run(NVIDIA, capture_output=True, text=True, timeout=READ_S, check=True).stdout
        return sum(float(line) for line in found.splitlines()) if found.strip() else None
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def _is_package(folder: Path) -> bool:
    if not _PACKAGE.fullmatch(folder.name):
        return False
    with suppress(OSError):
        return (folder / "name").read_text().startswith("package")
    return False


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
