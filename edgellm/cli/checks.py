"""What `edgellm doctor` looks at, one function a check.

A check never raises for what it finds: it returns what it saw and, unless all is well, how to repair it.
"""

from __future__ import annotations

import os
import platform
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

from edgellm.cli.child import Ended, run_python
from edgellm.cli.world import World
from edgellm.errors import EdgeLLMError
from edgellm.sizes import size

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM

OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 51, 3)
"""The first with the fix of the WAL-reset defect, which could damage a store written by two processes."""
OLD_INSTALL_DAYS = 180
LITTLE_MEMORY_BYTES = 1024**3
LITTLE_DISK_BYTES = 2 * 1024**3
CHILD_TIMEOUT_S = 60.0
APP_COLUMNS = 80
ANOTHER_HOME = "Choose another folder with --home or EDGELLM_HOME."
EXTRAS = {"train": "mlx_lm", "embed": "sentence_transformers", "docs": "pypdf", "serve": "fastapi"}
"""An optional install, and a module that comes with it alone."""

LLAMA_PROBE = """
import json, os, llama_cpp
folder = os.path.join(os.path.dirname(llama_cpp.__file__), "lib")
installed_at = max(os.path.getmtime(os.path.join(folder, name)) for name in os.listdir(folder))
print(json.dumps({"version": llama_cpp.__version__, "installed_at": installed_at}))
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
    repair: tuple[str, ...] = ()
    """What to do, a line a way."""


Check = Callable[[World, "EdgeLLM"], Finding]


def passed(name: str, found: str) -> Finding:
    """All is well."""
    return Finding(name, State.PASS, found)


def warned(name: str, found: str, *repair: str) -> Finding:
    """It works, but not as it should."""
    return Finding(name, State.WARN, found, repair)


def failed(name: str, found: str, *repair: str) -> Finding:
    """It does not work."""
    return Finding(name, State.FAIL, found, repair)


def run_checks(world: World) -> Iterator[Finding]:
    """Every check in turn, each as soon as it is done."""
    edge, settings = opened(world)
    yield settings
    with edge:
        for check in CHECKS:
            yield made(check, world, edge)


def made(check: Check, world: World, edge: EdgeLLM) -> Finding:
    """What the check saw; a file that the system does not let us look at is a failure of this check alone."""
    try:
        return check(world, edge)
    except OSError as error:
        return failed(check.__name__.replace("_", " ").capitalize(), str(error), ANOTHER_HOME)


def opened(world: World) -> tuple[EdgeLLM, Finding]:
    """The SDK, and what its settings are like; unreadable ones are left out, so that the other checks can be made."""
    name, path = "Settings", world.home.settings
    try:
        return world.open(), passed(name, str(path) if path.exists() else f"none yet ({path})")
    except EdgeLLMError as error:
        finding = failed(name, error.message, *filter(None, [error.hint]))
    from edgellm.sdk.facade import EdgeLLM  # deferred, both: seldom needed
    from edgellm.settings import Settings

    return EdgeLLM(home=world.home, settings=Settings(), offline=world.offline), finding


def python(_world: World, _edge: EdgeLLM) -> Finding:
    """The interpreter."""
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        return failed("Python", found, "EdgeLLM needs Python 3.11 or newer; `make setup` finds one.")
    return passed("Python", found)


def llama_cpp(world: World, _edge: EdgeLLM) -> Finding:
    """Whether llama.cpp can be imported, which version it is, and the date of its files.

    A build carries no date of its source: what is told is when it was put here, which it cannot be newer than.
    """
    ended = run_python(["-c", LLAMA_PROBE], world.environment, CHILD_TIMEOUT_S)
    report = ended.report
    if not (ended.worked and report):
        return failed("llama.cpp", f"importing it {ended.how}", *rebuild())
    days = int((time.time() - report["installed_at"]) / 86400)
    age = f"{days} days ago" if days else "today"
    found = f"llama-cpp-python {report['version']}, installed {age}"
    if report["version"] != (tested_version("llama-cpp-python") or report["version"]):
        return warned("llama.cpp", found, f"Tested with {tested_version('llama-cpp-python')}: make setup")
    if days > OLD_INSTALL_DAYS:
        return warned("llama.cpp", found, "Newer models may need a newer llama.cpp: update EdgeLLM.")
    return passed("llama.cpp", found)


def first_decode(world: World, edge: EdgeLLM) -> Finding:
    """Whether llama.cpp can compute here, tried in a child that may die of it."""
    name = "First decode"
    try:
        path = edge.models.get("starter").path
    except EdgeLLMError:
        return warned(name, "not tried, for lack of a starter model")
    ended = run_python(["-m", "edgellm.engine.trial", "decode", str(path)], world.environment, CHILD_TIMEOUT_S)
    report = ended.report
    if ended.worked and report:
        found = f"{report['device']}: opened in {report['load_s']:.2f} s, computed in {report['decode_s']:.2f} s"
        return passed(name, f"{found}, llama.cpp {report['llama_cpp_version']}")
    if report:
        return failed(name, report["message"], *filter(None, [report["detail"]]), *rebuild())
    return failed(name, f"the trial {ended.how}", *explain_crash(ended))


def explain_crash(ended: Ended) -> tuple[str, ...]:
    """What the end of a trial means, and the commands that repair it."""
    if ended.exit_code is None:
        return ("The machine is very busy, or llama.cpp hangs. Try again when it is idle.",)
    if ended.exit_code == -signal.SIGILL:
        return ("llama.cpp was built with instructions that this machine does not grant. Build it again:", *rebuild())
    return ("llama.cpp does not work here. Build it again:", *rebuild())


def rebuild() -> tuple[str, ...]:
    """Two ways to a build without the newest instructions, which some machines advertise without granting them."""
    version = tested_version("llama-cpp-python")
    package = f"llama-cpp-python=={version}" if version else "llama-cpp-python"
    return (
        "in EdgeLLM's folder: make setup PORTABLE=1",
        "elsewhere: CMAKE_ARGS=-DGGML_NATIVE=OFF pip install --force-reinstall --no-deps --no-cache-dir "
        f"--no-binary llama-cpp-python {package}",
    )


def starter(_world: World, edge: EdgeLLM) -> Finding:
    """Whether the model that everything can be tried with is there."""
    try:
        model = edge.models.get("starter")
    except EdgeLLMError as error:
        return warned("Starter model", error.message, error.hint)
    return passed("Starter model", f"{model.path.name}, {size(model.size_bytes)}")


def sqlite(world: World, _edge: EdgeLLM) -> Finding:
    """Whether SQLite is new enough and can search text."""
    ended = run_python(["-c", SQLITE_PROBE], world.environment, CHILD_TIMEOUT_S)
    update = "pip install --upgrade apsw"
    if not ended.worked:
        return failed("SQLite", f"trying it {ended.how}", update)
    version = ended.stdout.strip()
    if tuple(map(int, version.split("."))) < OLDEST_SQLITE:
        return failed("SQLite", f"{version} is older than {'.'.join(map(str, OLDEST_SQLITE))}", update)
    return passed("SQLite", f"{version} with full-text search")


def store(world: World, edge: EdgeLLM) -> Finding:
    """Whether the store opens and answers."""
    path = world.home.store
    if not path.exists():
        return passed("Store", f"none yet ({path})")
    try:
        edge.sessions.list(limit=1)
    except EdgeLLMError as error:
        return failed("Store", error.message, *filter(None, [error.hint]))
    files = [file for file in (path, path.with_name(f"{path.name}-wal")) if file.exists()]
    return passed("Store", f"{size(sum(file.stat().st_size for file in files))} ({path})")


def folders(world: World, _edge: EdgeLLM) -> Finding:
    """Whether EdgeLLM's folders are writable and private."""
    home = world.home
    for folder in (home.data, home.cache, home.config):
        existing = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        if not existing.is_dir():
            return failed("Folders", f"{existing} is no folder", ANOTHER_HOME)
        if not os.access(existing, os.W_OK | os.X_OK):
            return failed("Folders", f"{existing} cannot be written to", ANOTHER_HOME)
        if folder.exists() and folder.stat().st_mode & 0o077:
            return warned("Folders", f"{folder} is open to other users", f"chmod 700 {shlex.quote(str(folder))}")
    return passed("Folders", str(home.data))


def memory(_world: World, edge: EdgeLLM) -> Finding:
    """Free memory."""
    hardware = edge.models.hardware()
    found = f"{size(hardware.available_memory_bytes)} free of {size(hardware.total_memory_bytes)}"
    if hardware.available_memory_bytes < LITTLE_MEMORY_BYTES:
        return warned("Memory", found, "Close other programs, or choose a small model.")
    return passed("Memory", found)


def disk(_world: World, edge: EdgeLLM) -> Finding:
    """Free disk space where models are kept."""
    free = edge.models.hardware().disk_free_bytes
    if free < LITTLE_DISK_BYTES:
        repair = "Remove models with `edgellm models remove`, or move everything with EDGELLM_HOME."
        return warned("Disk", f"{size(free)} free", repair)
    return passed("Disk", f"{size(free)} free")


def devices(_world: World, edge: EdgeLLM) -> Finding:
    """What could compute."""
    hardware = edge.models.hardware()
    gpus = "".join(f", {gpu.name} with {size(gpu.total_memory_bytes)}" for gpu in hardware.gpus)
    return passed("Devices", f"{hardware.chip}, {hardware.usable_cores} of {hardware.logical_cores} cores{gpus}")


def terminal(world: World, _edge: EdgeLLM) -> Finding:
    """What the terminal can show."""
    if not world.out.is_terminal:
        return passed("Terminal", "none; results go to a pipe or a file")
    encoding = world.out.encoding
    colour = "colour" if world.out.has_colour else "no colour"
    found = f"{world.environment.get('TERM', '?')}, {world.out.width} columns, {colour}, {encoding}"
    if encoding != "utf-8":
        return warned("Terminal", found, "Set a UTF-8 locale, for example LANG=C.UTF-8.")
    if (world.out.width or APP_COLUMNS) < APP_COLUMNS:
        return warned("Terminal", found, f"The app wants {APP_COLUMNS} columns or more.")
    return passed("Terminal", found)


def extras(_world: World, _edge: EdgeLLM) -> Finding:
    """Which optional installs are there."""
    there = [name for name, module in EXTRAS.items() if find_spec(module) is not None]
    missing = [name for name in EXTRAS if name not in there]
    found = ", ".join(there) or "none"
    return passed("Extras", f"{found}; not installed: {', '.join(missing)}" if missing else found)


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


def tested_version(distribution: str) -> str:
    """The exact version EdgeLLM asks for; empty when it is not pinned or EdgeLLM is not installed."""
    try:
        wanted = metadata.requires("edgellm") or []
    except metadata.PackageNotFoundError:
        return ""
    return next((line.split("==")[1] for line in wanted if line.startswith(f"{distribution}==")), "")
