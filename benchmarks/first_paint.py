"""How long the terminal app takes from the command to its first complete screen: python -m benchmarks.first_paint."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass

import psutil

APP = "from edgellm_tui.app import run; raise SystemExit(run())"
READY = b"Message"
"""Placeholder of the message box, the last part of the first screen."""
LIMIT_S = 30.0
AIM_S = 0.4


@dataclass(frozen=True, slots=True)
class Paint:
    """One start of the app, until its first screen was on the wire."""

    wall_s: float
    cpu_s: float
    """Processor time of the app alone: comparable when other programs share the cores."""


def paint(home: str, columns: int, rows: int) -> Paint:
    """Start the app in a terminal of this size. Raises: TimeoutError."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {**os.environ, "EDGELLM_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    began = time.perf_counter()
    app = subprocess.Popen(
        [sys.executable, "-c", APP],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment,
        start_new_session=True,
    )
    os.close(follower)
    written = b""
    try:
        while READY not in written:
            left = LIMIT_S - (time.perf_counter() - began)
            if left <= 0:
                raise TimeoutError(f"No first screen within {LIMIT_S:g} s; the app wrote {written[-300:]!r}.")
            if select.select([leader], [], [], left)[0]:
                written += os.read(leader, 65536)
        wall_s = time.perf_counter() - began
        used = psutil.Process(app.pid).cpu_times()
        return Paint(wall_s, used.user + used.system)
    finally:
        os.close(leader)
        app.send_signal(signal.SIGKILL)
        app.wait()


def bare() -> Paint:
    """A bare interpreter, from its start to its end."""
    before, began = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Paint(time.perf_counter() - began, cpu_s)


def measure(rounds: int) -> list[dict[str, float | str]]:
    """One row a case, alternating between the cases; seconds."""
    sizes = {"app, 80 x 24": (80, 24), "app, 200 x 60": (200, 60)}
    taken: dict[str, list[Paint]] = {"bare interpreter": [], **{name: [] for name in sizes}}
    with tempfile.TemporaryDirectory() as home:
        for _ in range(rounds + 1):
            taken["bare interpreter"].append(bare())
            for name, (columns, rows) in sizes.items():
                taken[name].append(paint(home, columns, rows))
    return [_row(name, paints[1:]) for name, paints in taken.items()]  # the first round warms the file cache


def _row(name: str, paints: list[Paint]) -> dict[str, float | str]:
    wall = [each.wall_s for each in paints]
    cpu = statistics.median(each.cpu_s for each in paints)
    return {"case": name, "median_s": statistics.median(wall), "best_s": min(wall), "worst_s": max(wall), "cpu_s": cpu}


def main() -> None:
    """Print the table, and JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    rows = measure(arguments.rounds)
    if arguments.json:
        print(json.dumps({"load": load, "cores": os.cpu_count(), "rows": rows}))
        return
    print(f"First paint, {arguments.rounds} rounds, load {load:.1f} on {os.cpu_count()} cores, aim {AIM_S} s")
    if load > 0.5 * (os.cpu_count() or 1):
        print("The machine is busy: these numbers are too high.")
    print(f"\n{'case':<18}{'median':>9}{'best':>9}{'worst':>9}{'cpu':>9}")
    for row in rows:
        print(
            f"{row['case']:<18}" + "".join(f"{row[key]:>7.3f} s" for key in ("median_s", "best_s", "worst_s", "cpu_s"))
        )


if __name__ == "__main__":
    main()
