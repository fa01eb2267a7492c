"""The llama-cpp-python wheel, built once for this processor and kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.flags import BuildFlags
from scripts.locks import exclusive
from scripts.machine import Machine
from scripts.progress import Estimate, ProgressLine, in_words, parse_step

PACKAGE = "llama-cpp-python"
REFERENCE_CORE_S = 580.0
"""Core-seconds of a build on the machine where the probe took `REFERENCE_PROBE_S`."""
REFERENCE_PROBE_S = 0.8
ERROR_LINES = 12


class BuildFailed(Exception):
    """The build ended without a wheel; the message holds its last errors and what to do."""


@dataclass(frozen=True, slots=True)
class WheelPlan:
    """Which wheel is wanted, and where it is kept."""

    version: str
    flags: BuildFlags
    machine: Machine
    cache: Path
    usual_cache: Path | None = None
    """Where wheels are kept without `EDGELLM_HOME`: one from there is taken, too."""

    @property
    def key(self) -> str:
        """Changes with everything that can make a wheel unfit for a machine."""
        facts = {
            "version": self.version,
            "flags": self.flags.cmake,
            "platform": sysconfig.get_platform(),
            "libc": self.machine.libc,
            "features": sorted(self.machine.features),
            "compiler": self.machine.compiler,
            "cuda": self.machine.cuda_toolkit if "-DGGML_CUDA=ON" in self.flags.cmake else None,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def folder(self) -> Path:
        """Where this wheel, its log and its facts lie."""
        return self.cache / self._name

    @property
    def _name(self) -> str:
        return f"{PACKAGE}-{self.version}-{self.key}"

    @property
    def expected_s(self) -> float:
        """First guess of the build time, from the core count and the compile probe."""
        speed = (self.machine.compile_probe_s or REFERENCE_PROBE_S) / REFERENCE_PROBE_S
        return REFERENCE_CORE_S / self.machine.cores * speed

    def find(self) -> Path | None:
        """The finished wheel, if it was built before: it is this machine's, whatever home is in use today."""
        caches = [cache for cache in (self.cache, self.usual_cache) if cache is not None]
        return next((wheel for cache in caches for wheel in sorted((cache / self._name).glob("*.whl"))), None)


def cache_folder(environment: Mapping[str, str], system: str) -> Path:
    """Where wheels are kept for this user; `EDGELLM_HOME` moves it like everything else."""
    home = environment.get("EDGELLM_HOME")
    if home:
        return Path(os.path.expanduser(home)) / "cache" / "wheels"
    if system == "Darwin":
        return Path.home() / "Library" / "Caches" / "edgellm" / "wheels"
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edgellm" / "wheels"


def obtain(plan: WheelPlan, python: Path, say: Callable[[str], None], *, rebuild: bool = False) -> Path:
    """The wheel, from the cache or built now. Two builders at once: the second waits and takes the first's.

    Raises: BuildFailed.
    """
    for folder in reversed([place for place in (plan.folder, *plan.folder.parents) if not place.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)  # EDGELLM_HOME may be made here, and is private
    with exclusive(plan.folder, lambda: say("Another build of the same wheel is running; waiting for it.")):
        found = plan.find()
        if found and not rebuild:
            say(f"llama.cpp: the wheel built earlier fits ({found.parent.name}).")
            return found
        return _build(plan, python, say)


def _build(plan: WheelPlan, python: Path, say: Callable[[str], None]) -> Path:
    say(f"llama.cpp: building for this processor on {plan.machine.cores} cores, {in_words(plan.expected_s)}.")
    for reason in plan.flags.reasons:
        say(f"  {reason}")
    log, staging = plan.folder / "build.log", plan.folder / "staging"
    shutil.rmtree(staging, ignore_errors=True)  # left by an interrupted build
    started = time.monotonic()
    code = _run_logged(_command(plan.version, python, staging), build_environment(plan.flags), log, plan.expected_s)
    wheel = next(iter(staging.glob("*.whl")), None)
    if code != 0 or wheel is None:
        raise BuildFailed(explain_failure(log.read_text(encoding="utf-8", errors="replace"), log))
    took_s = time.monotonic() - started
    (plan.folder / "build.json").write_text(json.dumps({"flags": plan.flags.cmake, "seconds": round(took_s, 1)}))
    final = plan.folder / wheel.name
    os.replace(wheel, final)
    shutil.rmtree(staging)
    say(f"llama.cpp: built in {took_s:.0f} s.")
    return final


def _command(version: str, python: Path, target: Path) -> list[str]:
    wheel = [str(python), "-m", "pip", "wheel", "-v", "--no-deps", "--no-binary", PACKAGE, "--no-cache-dir"]
    return [*wheel, "-w", str(target), f"{PACKAGE}=={version}"]


def build_environment(flags: BuildFlags) -> dict[str, str]:
    """The caller's environment with the chosen flags; `CMAKE_ARGS` set elsewhere has no say."""
    return {**os.environ, "CMAKE_ARGS": flags.cmake_args, "FORCE_CMAKE": "1", "PYTHONUNBUFFERED": "1"}


def _run_logged(command: Sequence[str], environment: Mapping[str, str], log: Path, expected_s: float) -> int:
    line = ProgressLine(time.monotonic)
    estimate = Estimate(expected_s)
    build_started: float | None = None
    with log.open("w", encoding="utf-8") as handle, running(command, environment) as (process, lines):
        for text in lines:
            handle.write(text)
            step = parse_step(text)
            if step:
                build_started = build_started or time.monotonic()
                estimate.update(*step, time.monotonic() - build_started)
            line.show(_status(estimate, build_started))
        code = process.wait()
    line.close()
    return code


def _status(estimate: Estimate, build_started: float | None) -> str:
    if build_started is None:
        return "  fetching and configuring the source"
    left = in_words(estimate.left_s(time.monotonic() - build_started))
    return f"  step {estimate.done} of {estimate.total}, {left} left"


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """A child process and its output, line by line; an empty line passes each second without output.

    The child is ended when the block is left early.
    """
    process = subprocess.Popen(
        command,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # pip's compilers are its grandchildren: the whole group ends together
    )
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_pump, args=(process, lines), daemon=True)
    reader.start()
    try:
        yield process, _drain(lines)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
        reader.join()


def _pump(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    if process.stdout is not None:
        with process.stdout as output:
            for text in output:
                lines.put(text)
    lines.put(None)


def _drain(lines: queue.Queue[str | None]) -> Iterator[str]:
    while True:
        try:
            text = lines.get(timeout=1)
        except queue.Empty:
            yield ""
            continue
        if text is None:
            return
        yield text


REMEDIES = (
    (("No space left on device",), "The disk is full: free about 2 GB and run `make setup` again."),
    (
        ("Killed signal", "signal terminated program", "out of memory", "std::bad_alloc"),
        "The compiler ran out of memory: `CMAKE_BUILD_PARALLEL_LEVEL=1 make setup` needs less at a time.",
    ),
    (
        ("NewConnectionError", "Temporary failure in name resolution", "No matching distribution", "ReadTimeoutError"),
        "The package index cannot be reached: check the network or pip's settings (`pip config list`).",
    ),
    (
        ("CMAKE_CXX_COMPILER not set", "CMAKE_C_COMPILER not set", "is not able to compile"),
        "No working C/C++ compiler: Debian and Ubuntu `sudo apt install build-essential`, "
        "Fedora `sudo dnf install gcc gcc-c++ make`, macOS `xcode-select --install`.",
    ),
    (
        ("nvcc fatal", "CUDA"),
        "The CUDA part failed: `EDGELLM_CMAKE_ARGS='-DGGML_NATIVE=ON' make setup` builds without it.",
    ),
)


def explain_failure(log_text: str, log: Path) -> str:
    """The last lines that look like errors, what they usually mean, and where the whole log is."""
    lines = [line.strip() for line in log_text.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()] or lines
    text = "\n".join(telling)
    advice = next((remedy for signs, remedy in REMEDIES if any(sign in text for sign in signs)), "")
    shown = "\n".join(f"    {line[:300]}" for line in telling[-ERROR_LINES:])
    return "\n".join(part for part in (f"llama.cpp could not be built:\n{shown}", advice, f"Whole log: {log}") if part)
