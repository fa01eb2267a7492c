"""What a result was measured on: machine, versions, commit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import psutil

from scripts.machine import cpu_features
from scripts.project import ROOT

TELLING_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "asimddp", "i8mm", "sve")
"""Extensions that llama.cpp's kernels are chosen by."""
PACKAGES = ("edgellm", "llama-cpp-python", "llguidance", "numpy", "textual", "apsw")

Facts = dict[str, str | int | float | bool | list[str]]


def gather() -> Facts:
    """Facts about this machine and this checkout."""
    features = cpu_features()
    return {
        "processor": processor_name(),
        "cores": os.cpu_count() or 1,
        "instructions": [name for name in TELLING_FEATURES if name in features],
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "commit": git("rev-parse", "--short=12", "HEAD"),
        "has_local_changes": bool(git("status", "--porcelain")),
    }


def processor_name() -> str:
    """The processor as the kernel names it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return (
        next(iter(sorted(cpu_features())), platform.processor())
        if platform.system() == "Darwin"
        else platform.machine()
    )


def git(*arguments: str) -> str:
    """What git says about this checkout; empty outside of one."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip()
