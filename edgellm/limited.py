"""A child process that cannot outgrow its limits: memory, processor time, wall-clock time, output, environment.

`python limited.py MEMORY_BYTES CPU_S WALL_S OUTPUT_BYTES COMMAND...` sets the limits and becomes the command; the
alarm survives the change, so the command ends even when nobody waits for it any more.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_SET = {"HF_HUB_OFFLINE": "1", "EDGELLM_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
"""No network, and no GPU driver, which would reserve more address space than any limit allows."""


Stream = int | IO[bytes]
_GRACE_S = 3  # for a busy machine to start the child, whose own alarm counts from then


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a child may use."""

    memory_bytes: int
    """Address space, enforced where the system does (Linux)."""
    wall_s: int
    output_bytes: int = 1024**2


@dataclass(frozen=True, slots=True)
class Ended:
    """How a limited child ended."""

    exit_code: int
    """Negative: the signal that ended it."""
    stdout: str
    stderr: str

    @property
    def signal_name(self) -> str | None:
        """The signal that ended the child, if one did."""
        return signal.Signals(-self.exit_code).name if self.exit_code < 0 else None


def start_limited(
    command: Sequence[str], limits: Limits, environment: Mapping[str, str], streams: tuple[Stream, Stream, Stream]
) -> subprocess.Popen[bytes]:
    """Start a command under limits; the child sees no secrets of the environment.

    `streams`: its standard input, output and error. Whoever starts it ends it, and waits for it.
    """
    cpu_s = limits.wall_s * (os.cpu_count() or 1)
    numbers = (limits.memory_bytes, cpu_s, limits.wall_s, limits.output_bytes)
    passed = {name: environment[name] for name in _PASSED_ON if name in environment} | _SET
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, *map(str, numbers), *command],
        stdin=streams[0],
        stdout=streams[1],
        stderr=streams[2],
        env=passed,
    )


def run_limited(command: Sequence[str], limits: Limits, environment: Mapping[str, str]) -> Ended:
    """Run a command to its end under limits; the child sees no secrets of the environment and no standard input.

    Returns: also for a child that was killed; nothing is raised for what the child does.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = start_limited(command, limits, environment, (subprocess.DEVNULL, out, err))
        try:
            exit_code = child.wait(limits.wall_s + _GRACE_S)
        except subprocess.TimeoutExpired:
            exit_code = -signal.SIGALRM
        finally:
            child.kill()  # nothing happens when it has ended
            child.wait()
        return Ended(exit_code, *(_content(stream, limits.output_bytes) for stream in (out, err)))


def _content(stream: IO[bytes], limit: int) -> str:
    stream.seek(0)
    return stream.read(limit).decode(errors="replace")


def _become(arguments: Sequence[str]) -> None:
    """Set the limits and turn into the command."""
    memory_bytes, cpu_s, wall_s, output_bytes = map(int, arguments[:4])
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, output_bytes),
        (resource.RLIMIT_AS, memory_bytes),
    ):
        with contextlib.suppress(ValueError, OSError):  # a system without this limit still has the alarm
            resource.setrlimit(kind, (limit, limit))
    signal.alarm(wall_s)
    os.execv(arguments[4], [*arguments[4:]])


if __name__ == "__main__":
    _become(sys.argv[1:])
