"""What this machine has: cores, memory, GPU, disk and how fast memory can be read."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from edgellm.disk_space import free_bytes

CPU_FEATURES = frozenset(
    {
        *("sse3", "ssse3", "avx", "avx2", "fma", "f16c", "bmi2", "avx_vnni"),
        *("avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16"),
        *("asimd", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
    }
)
"""The instruction sets llama.cpp has code for, in the kernel's spelling."""


_TOOL_TIMEOUT_S = 5
_ASK_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A graphics processor with memory of its own."""

    name: str
    total_memory_bytes: int
    available_memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A machine as far as running models is concerned."""

    system: str
    """`Linux`, `Darwin`, ..."""
    architecture: str
    """`x86_64`, `arm64`, ..."""
    chip: str
    physical_cores: int
    logical_cores: int
    usable_cores: int
    """Physical cores this process may use: affinity and container quota are respected."""
    total_memory_bytes: int
    available_memory_bytes: int
    """Free or reclaimable now, within the container's limit if there is one."""
    disk_free_bytes: int
    """In the folder where models are kept."""
    cpu_features: tuple[str, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    compute: Literal["cpu", "metal", "cuda"] = "cpu"
    """What llama.cpp computes with here."""
    bandwidth_bytes_per_s: float | None = None
    """Measured reading speed of main memory; None when it was not measured."""

    @property
    def has_unified_memory(self) -> bool:
        """Whether processor and GPU share the main memory."""
        return self.system == "Darwin" and self.architecture == "arm64"

    @property
    def available_bytes(self) -> int:
        """Memory a model can use: the GPU's where llama.cpp computes with CUDA, else the machine's."""
        if self.compute == "cuda" and self.gpus:
            return sum(gpu.available_memory_bytes for gpu in self.gpus)
        return self.available_memory_bytes


def probe(*, disk: Path | None = None, measure_bandwidth: bool = False) -> Hardware:
    """Look at this machine; about 50 ms without the options.

    disk: folder where models are kept; need not exist. measure_bandwidth: take about half a second to measure it, in a
    child.
    """
    import psutil  # deferred: a compiled library that only this needs

    memory = psutil.virtual_memory()
    limit, used = _container_memory()
    total = min(memory.total, limit) if limit else memory.total
    available = min(memory.available, max(limit - used, 0)) if limit else memory.available
    logical = psutil.cpu_count() or 1
    physical = psutil.cpu_count(logical=False) or logical
    usable = _usable_cores(physical, logical)
    gpus = _nvidia_gpus()
    return Hardware(
        system=platform.system(),
        architecture=platform.machine(),
        chip=_chip(),
        physical_cores=physical,
        logical_cores=logical,
        usable_cores=usable,
        total_memory_bytes=total,
        available_memory_bytes=available,
        disk_free_bytes=free_bytes(disk or Path.home()),
        cpu_features=_cpu_features(),
        gpus=gpus,
        compute=_compute(gpus),
        bandwidth_bytes_per_s=measured_bandwidth(usable) if measure_bandwidth else None,
    )


def measured_bandwidth(threads: int) -> float | None:
    """Bytes a second that `threads` cores read from memory; None when the measurement failed.

    Runs in a child process, so that the caller never loads numpy.
    """
    answer = _output([sys.executable, "-P", "-m", "edgellm.hub.bandwidth_child", str(threads)], _ASK_TIMEOUT_S)
    try:
        return float(answer)
    except ValueError:
        return None


def _output(command: list[str], timeout_s: float) -> str:
    """Standard output of a command; empty when it is missing, fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _sysctl(name: str) -> str:
    return _output(["sysctl", "-n", name], _TOOL_TIMEOUT_S)


def _cpuinfo(*names: str) -> str:
    """The first of these fields in /proc/cpuinfo."""
    for line in _read("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in names:
            return value.strip()
    return ""


def _chip() -> str:
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string") or platform.machine()
    return _cpuinfo("model name", "Model", "Hardware") or platform.processor() or platform.machine()


def _cpu_features() -> tuple[str, ...]:
    if sys.platform == "darwin":
        names = {"FEAT_DotProd": "asimddp", "FEAT_I8MM": "i8mm", "FEAT_BF16": "bf16", "FEAT_SME": "sme"}
        return tuple(name for key, name in names.items() if _sysctl(f"hw.optional.arm.{key}") == "1")
    present = set(_cpuinfo("flags", "Features").split())
    return tuple(sorted(CPU_FEATURES & present))


def _nvidia_gpus() -> tuple[Gpu, ...]:
    if not shutil.which("nvidia-smi"):
        return ()
    query = ["nvidia-smi", "--query-gpu=memory.total,memory.free,name", "--format=csv,noheader,nounits"]
    return parse_nvidia_smi(_output(query, _TOOL_TIMEOUT_S))


def parse_nvidia_smi(text: str) -> tuple[Gpu, ...]:
    """GPUs from lines of `total MiB, free MiB, name`; lines without numbers (memory not reported) are left out."""
    gpus = []
    for line in text.splitlines():
        total, free, name = ([part.strip() for part in line.split(",", 2)] + ["", ""])[:3]
        if total.isdigit() and free.isdigit():
            gpus.append(Gpu(name=name, total_memory_bytes=int(total) << 20, available_memory_bytes=int(free) << 20))
    return tuple(gpus)


def _compute(gpus: Sequence[Gpu]) -> Literal["cpu", "metal", "cuda"]:
    """What the installed llama.cpp uses here: CUDA where it was built with it and a GPU answers."""
    if gpus and any(_llama_libraries().glob("*ggml-cuda*")):
        return "cuda"
    return "metal" if sys.platform == "darwin" and platform.machine() == "arm64" else "cpu"


def _llama_libraries() -> Path:
    """The folder of llama.cpp's compiled parts, found without loading them."""
    spec = find_spec("llama_cpp")
    return Path(spec.origin).parent / "lib" if spec and spec.origin else Path(os.devnull)


def _usable_cores(physical: int, logical: int) -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    cores = min(physical, max(1, round(allowed * physical / logical)))
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").strip().partition(" ")
    if quota.isdigit() and period.isdigit() and int(period):
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def _container_memory() -> tuple[int, int]:
    """The container's memory limit and what is used of it beyond reclaimable file pages; (0, 0) without a limit."""
    for base, limit_name, used_name, inactive in (
        ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit, used = _read(f"{base}/{limit_name}").strip(), _read(f"{base}/{used_name}").strip()
        if limit.isdigit() and used.isdigit() and int(limit) < 1 << 60:
            statistics = dict(line.split() for line in _read(f"{base}/memory.stat").splitlines())
            return int(limit), max(0, int(used) - int(statistics.get(inactive, 0)))
    return 0, 0
