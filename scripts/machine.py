"""What the set-up must know about a machine: processor, compiler, GPU toolkit."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

AMX_OFF = ("-mno-amx-tile", "-mno-amx-int8", "-mno-amx-bf16")

PROBE_SOURCE = """
#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>
int main(int argc, char ** argv) {
    std::map<std::string, std::vector<std::function<int(int)>>> table;
    table[argv[0]].push_back([](int x) { return x + 1; });
    std::sort(table[argv[0]].begin(), table[argv[0]].end(), [](const auto &, const auto &) { return false; });
    return std::thread::hardware_concurrency() > 0 ? table[argv[0]][0](argc) : 0;
}
"""
"""Heavy on headers, as llama.cpp is, so that its time says something about the build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Facts that decide how llama.cpp is built here."""

    system: str
    """`Linux` or `Darwin`, as `platform.system()` says."""
    architecture: str
    """`x86_64`, `arm64`, ... as `platform.machine()` says."""
    libc: str
    cores: int
    features: frozenset[str]
    """Instruction-set extensions the operating system reports."""
    compiler: str | None
    """First line of the C++ compiler's version; None without a working one."""
    compile_probe_s: float
    """Time to compile one header-heavy file; 0 without a compiler."""
    compiler_knows_amx: bool
    cuda_toolkit: str | None
    cuda_gpu: str | None

    @property
    def is_x86(self) -> bool:
        """Whether the processor is a 64-bit x86."""
        return self.architecture.lower() in ("x86_64", "amd64")

    @property
    def is_apple_silicon(self) -> bool:
        """Whether this is a Mac with Apple's own processor."""
        return self.system == "Darwin" and self.architecture == "arm64"


def read_machine(environment: Mapping[str, str]) -> Machine:
    """Look at this machine; `CC` and `CXX` in the environment choose the compiler."""
    cxx = environment.get("CXX") or first_command("c++", "g++", "clang++")
    cc = environment.get("CC") or first_command("cc", "gcc", "clang")
    probe_s = compile_seconds(cxx, PROBE_SOURCE, ("-std=c++17", "-O2")) if cc and cxx else None
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        libc=" ".join(platform.libc_ver()).strip(),
        cores=core_count(),
        features=cpu_features(),
        compiler=first_line(cxx, "--version") if probe_s is not None else None,
        compile_probe_s=probe_s or 0.0,
        compiler_knows_amx=probe_s is not None and compile_seconds(cxx, "int main() {}", AMX_OFF) is not None,
        cuda_toolkit=last_line("nvcc", "--version"),
        cuda_gpu=first_line("nvidia-smi", "-L"),
    )


def core_count() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_features() -> frozenset[str]:
    """Instruction-set extensions, from the kernel."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        return parse_cpuinfo(cpuinfo.read_text(encoding="utf-8", errors="replace"))
    brand = first_line("sysctl", "-n", "machdep.cpu.brand_string")
    return frozenset({brand} if brand else ())


def parse_cpuinfo(text: str) -> frozenset[str]:
    """The `flags` (x86) or `Features` (Arm) of the first processor in /proc/cpuinfo."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def compile_seconds(cxx: str | None, source: str, flags: Sequence[str]) -> float | None:
    """Seconds to compile `source` with `cxx`, or None when it cannot be compiled."""
    if cxx is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "probe.cpp")
        path.write_text(source, encoding="utf-8")
        command = [*cxx.split(), *flags, "-c", str(path), "-o", str(path.with_suffix(".o"))]
        started = time.perf_counter()
        return time.perf_counter() - started if output_of(command) is not None else None


def first_command(*names: str) -> str | None:
    """The first of these commands that exists."""
    return next((name for name in names if shutil.which(name)), None)


def output_of(command: Sequence[str], timeout_s: float = 60) -> str | None:
    """What a command prints, or None when it is missing, fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def first_line(command: str | None, *arguments: str) -> str | None:
    """First line a command prints, or None."""
    lines = _lines(command, arguments)
    return lines[0] if lines else None


def last_line(command: str | None, *arguments: str) -> str | None:
    """Last line a command prints, or None."""
    lines = _lines(command, arguments)
    return lines[-1] if lines else None


def _lines(command: str | None, arguments: Sequence[str]) -> list[str]:
    if command is None:
        return []
    return (output_of([*command.split(), *arguments]) or "").strip().splitlines()
