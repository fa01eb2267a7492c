"""Start-up: what `edgellm --help` and its kin take beyond a bare interpreter."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import harness
from benchmarks.idle import wait_until_idle
from benchmarks.report import Limit, Report, Spread

LIMIT = Limit(
    path="`edgellm --help` over a bare interpreter",
    arm="edgellm --help",
    metric="over the interpreter",
    floor=60,
    aim=40,
)
BARE = "bare interpreter"
RUNS_A_ROUND = 10


def commands() -> dict[str, list[str]]:
    """Arm to command line; all of them run under the same interpreter and installation."""
    script = Path(sys.executable).with_name("edgellm")
    edgellm = [str(script)] if script.exists() else [sys.executable, "-m", "edgellm"]
    return {
        BARE: [sys.executable, "-c", "pass"],
        "import click": [sys.executable, "-c", "import click"],
        "edgellm --version": [*edgellm, "--version"],
        "edgellm --help": [*edgellm, "--help"],
        "edgellm chat --help": [*edgellm, "chat", "--help"],
        "edgellm models list": [*edgellm, "models", "list"],
    }


def started_ms(command: Sequence[str]) -> float:
    """Wall time of one command from start to end, in milliseconds. Raises: CalledProcessError."""
    before = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - before) * 1000


def run(options: harness.Options) -> Report:
    """Every command in turn, many times. Raises: MachineBusy."""
    arms = commands()
    times: dict[str, list[float]] = {name: [] for name in arms}
    for command in arms.values():
        started_ms(command)  # byte code and page cache
    for _ in range(options.rounds):
        if not options.is_meaningless:
            wait_until_idle()
        for _ in range(1 if options.is_trial else RUNS_A_ROUND):
            for name, command in arms.items():
                times[name].append(started_ms(command))
    return Report(
        name="Start-up",
        what="Each command from start to end.",
        units={"wall": "ms", "over the interpreter": "ms"},
        arms={name: _metrics(found, times[BARE]) for name, found in times.items()},
        limits=(LIMIT,),
        settings={"rounds": options.rounds, "runs_a_round": RUNS_A_ROUND},
        is_trial=options.is_meaningless,
    )


def _metrics(found: Sequence[float], bare: Sequence[float]) -> dict[str, Spread]:
    extra = tuple(one - other for one, other in zip(found, bare, strict=True))
    return {"wall": Spread(tuple(found)), "over the interpreter": Spread(extra)}


if __name__ == "__main__":
    sys.exit(harness.main_without_texts(run))
