"""What `edgellm doctor` looks at, one function a check.

A check never raises for what it finds: it returns what it saw and, unless all is well, how to repair it.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.cli.child import Ended, run_python
from edgellm.cli.units import size
from edgellm.cli.world import World
from edgellm.errors import EdgeLLMError, ModelNotFound

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM

OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 51, 3)
"""The first with the fix of the WAL-reset defect, which could damage a store written by two processes."""
OLD_BUILD_DAYS = 180
LITTLE_MEMORY_BYTES = 1024**3
LITTLE_DISK_BYTES = 2 * 1024**3
CHILD_TIMEOUT_S = 60.0
REBUILD = "Rebuild it with `make setup PORTABLE=1` in EdgeLLM's folder"
EXTRAS = {"train": "mlx_lm", "embed": "sentence_transformers", "docs": "pypdf", "serve": "fastapi"}
"""An optional install, and a module that comes with it alone."""

LLAMA_PROBE = """
import json, os, llama_cpp
folder = os.path.join(os.path.dirname(llama_cpp.__file__), "lib")
built = max(os.path.getmtime(os.path.join(folder, name)) for name in os.listdir(folder))
info = llama_cpp.llama_print_system_info().decode()
print(json.dumps({"version": llama_cpp.__version__, "built_at": built, "info": info}))
"""
SQLITE_PROBE = """
import apsw
apsw.Connection(":memory:").execute("create virtual table probe using fts5(text)")
print(apsw.sqlite_lib_version())
"""


class State(StrEnum):
    """How a check came out."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw."""

    name: str
    state: State
    found: str
    repair: str = ""


Check = Callable[[World, "EdgeLLM"], Finding]


def run_checks(world: World, edge: EdgeLLM) -> Iterator[Finding]:
    """Every check in turn, each as soon as it is done."""
    for check in CHECKS:
        yield check(world, edge)


def python(_world: World, _edge: EdgeLLM) -> Finding:
    """The interpreter."""
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("Python", State.FAIL, found, "EdgeLLM needs Python 3.11 or newer; `make setup` finds one")
    return Finding("Python", State.PASS, found)


def llama_cpp(world: World, _edge: EdgeLLM) -> Finding:
    """Whether llama.cpp can be imported, which version it is, and when it was built."""
    ended = run_python(["-c", LLAMA_PROBE], world.environment, CHILD_TIMEOUT_S)
    if not ended.worked:
        return Finding("llama.cpp", State.FAIL, f"importing it {ended.how}", f"{REBUILD}")
    report = json.loads(ended.stdout)
    days = int((time.time() - report["built_at"]) / 86400)
    found = (
        f"llama-cpp-python {report['version']}, built {days} days ago"
        if days
        else (f"llama-cpp-python {report['version']}, built today")
    )
    tested = _tested_version("llama-cpp-python")
    if tested and tested != report["version"]:
        return Finding("llama.cpp", State.WARN, f"{found}; tested with {tested}", "Install it with `make setup`")
    if days > OLD_BUILD_DAYS:
        return Finding("llama.cpp", State.WARN, found, "Newer models may need a newer one: update EdgeLLM")
    return Finding("llama.cpp", State.PASS, found)


def first_decode(world: World, edge: EdgeLLM) -> Finding:
    """Whether llama.cpp can compute here, in a child that may die of it."""
    name = "First decode"
    try:
        path = edge.models.get("starter").path
    except EdgeLLMError:
        return Finding(name, State.WARN, "not tried: there is no starter model", _starter_hint())
    ended = run_python(["-m", "edgellm.engine.trial", "decode", str(path)], world.environment, CHILD_TIMEOUT_S)
    if ended.worked:
        return Finding(name, State.PASS, _decoded(ended))
    return Finding(name, State.FAIL, f"the trial {ended.how}", explain_crash(ended))


def explain_crash(ended: Ended) -> str:
    """What the end of a trial means, and the command that repairs it."""
    if ended.exit_code == -4:  # SIGILL
        return f"llama.cpp was built with instructions this processor does not grant. {REBUILD}"
    if ended.exit_code is not None and ended.exit_code < 0:
        return f"llama.cpp ended its process. {REBUILD}"
    if ended.exit_code is None:
        return "The machine is very busy, or llama.cpp hangs. Try again when it is idle"
    return f"{REBUILD}; if that does not help, report it with the output of `edgellm doctor --json`"


def starter(_world: World, edge: EdgeLLM) -> Finding:
    """Whether the model that everything can be tried with is there."""
    try:
        model = edge.models.get("starter")
    except ModelNotFound as error:
        return Finding("Starter model", State.WARN, error.message, _starter_hint())
    return Finding("Starter model", State.PASS, f"{model.path.name}, {size(model.size_bytes)}")


def sqlite(world: World, _edge: EdgeLLM) -> Finding:
    """Whether SQLite is new enough and can search text."""
    ended = run_python(["-c", SQLITE_PROBE], world.environment, CHILD_TIMEOUT_S)
    repair = "Install it with: pip install --upgrade apsw"
    if not ended.worked:
        return Finding("SQLite", State.FAIL, f"trying it {ended.how}", repair)
    version = ended.stdout.strip()
    if tuple(int(part) for part in version.split(".")) < OLDEST_SQLITE:
        return Finding("SQLite", State.FAIL, f"{version} is older than {'.'.join(map(str, OLDEST_SQLITE))}", repair)
    return Finding("SQLite", State.PASS, f"{version} with full-text search")


def store(world: World, edge: EdgeLLM) -> Finding:
    """Whether the store opens and answers."""
    path = world.home.store
    if not path.exists():
        return Finding("Store", State.PASS, f"none yet ({path})")
    try:
        edge.sessions.list(limit=1)
    except EdgeLLMError as error:
        return Finding("Store", State.FAIL, error.message, error.hint)
    return Finding("Store", State.PASS, f"{size(path.stat().st_size)} ({path})")


def folders(world: World, _edge: EdgeLLM) -> Finding:
    """Whether EdgeLLM's folders are writable and private."""
    folder = world.home.data
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK):
        return Finding("Folders", State.FAIL, f"{existing} cannot be written to", "Choose another with EDGELLM_HOME")
    if folder.exists() and folder.stat().st_mode & 0o077:
        return Finding("Folders", State.WARN, f"{folder} is open to other users", f"chmod 700 {_quoted(folder)}")
    return Finding("Folders", State.PASS, str(folder))


def memory(_world: World, edge: EdgeLLM) -> Finding:
    """Free memory."""
    hardware = edge.models.hardware()
    free, total = hardware.available_memory_bytes, hardware.total_memory_bytes
    found = f"{size(free)} free of {size(total)}"
    if free < LITTLE_MEMORY_BYTES:
        return Finding("Memory", State.WARN, found, "Close other programs, or choose a small model")
    return Finding("Memory", State.PASS, found)


def disk(_world: World, edge: EdgeLLM) -> Finding:
    """Free disk space where models are kept."""
    free = edge.models.hardware().disk_free_bytes
    if free < LITTLE_DISK_BYTES:
        repair = "Remove models with `edgellm models remove`, or move everything with EDGELLM_HOME"
        return Finding("Disk", State.WARN, f"{size(free)} free", repair)
    return Finding("Disk", State.PASS, f"{size(free)} free")


def devices(_world: World, edge: EdgeLLM) -> Finding:
    """What computes."""
    hardware = edge.models.hardware()
    gpus = "".join(f", {gpu.name} with {size(gpu.total_memory_bytes)}" for gpu in hardware.gpus)
    found = f"{hardware.chip}, {hardware.usable_cores} of {hardware.logical_cores} cores, {hardware.compute}{gpus}"
    if hardware.gpus and hardware.compute == "cpu":
        return Finding(
            "Devices", State.WARN, found, "llama.cpp was built without CUDA: install its toolkit, `make setup`"
        )
    return Finding("Devices", State.PASS, found)


def terminal(world: World, _edge: EdgeLLM) -> Finding:
    """What the terminal can show."""
    if not world.out.is_terminal:
        return Finding("Terminal", State.PASS, "none; results go to a pipe or file")
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    colour = "colour" if world.out.has_colour else "no colour"
    found = f"{world.environment.get('TERM', '?')}, {world.out.width} columns, {colour}, {encoding or 'no encoding'}"
    if encoding != "utf8":
        return Finding("Terminal", State.WARN, found, "Set a UTF-8 locale, for example LANG=C.UTF-8")
    if (world.out.width or 80) < 80:
        return Finding("Terminal", State.WARN, found, "The app wants 80 columns or more")
    return Finding("Terminal", State.PASS, found)


def extras(_world: World, _edge: EdgeLLM) -> Finding:
    """Which optional installs are there."""
    present = {name: find_spec(module) is not None for name, module in EXTRAS.items()}
    missing = ", ".join(name for name, there in present.items() if not there)
    found = ", ".join(name for name, there in present.items() if there) or "none"
    return Finding("Extras", State.PASS, f"{found}; not installed: {missing}" if missing else found)


CHECKS: tuple[Check, ...] = (
    python,
    llama_cpp,
    first_decode,
    starter,
    sqlite,
    store,
    folders,
    memory,
    disk,
    devices,
    terminal,
    extras,
)


def _tested_version(distribution: str) -> str:
    """The exact version EdgeLLM asks for; empty when it is not pinned or EdgeLLM is not installed."""
    try:
        wanted = metadata.requires("edgellm") or []
    except metadata.PackageNotFoundError:
        return ""
    return next((line.split("==")[1] for line in wanted if line.startswith(f"{distribution}==")), "")


def _decoded(ended: Ended) -> str:
    """The trial's report, a JSON object, in a few words."""
    lines = ended.stdout.strip().splitlines()
    report = json.loads(lines[-1]) if lines else {}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in report.items()) or "works"


def _starter_hint() -> str:
    return "Install it with: pip install 'edgellm[starter]'"


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
