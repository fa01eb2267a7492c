"""Finding, keying and building the llama.cpp wheel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.flags import choose_flags
from scripts.project import ROOT
from scripts.wheel import BuildFailed, WheelPlan, cache_folder, explain_failure, obtain, running
from tests.unit.scripts.test_flags import LINUX, MAC


def plan(cache: Path, version: str = "0.3.36") -> WheelPlan:
    return WheelPlan(version, choose_flags(LINUX), LINUX, cache)


FAKE_PIP = """#!{python}
import pathlib, sys, os, time
target = pathlib.Path(sys.argv[sys.argv.index("-w") + 1])
print("  [1/2] c++ one", flush=True)
print("  [2/2] " + os.environ["CMAKE_ARGS"], flush=True)
if {fails}:
    sys.exit("c++: fatal error: No space left on device")
time.sleep(0.2)
target.mkdir(parents=True)
with open(target.parent / "builds.txt", "a") as log:
    log.write("built ")
(target / "llama_cpp_python-0.3.36-py3-none-any.whl").write_bytes(b"wheel")
"""


def fake_python(folder: Path, *, fails: bool = False) -> Path:
    """A stand-in for a virtual environment's Python whose pip builds in a moment."""
    path = folder / "python"
    path.write_text(FAKE_PIP.format(python=sys.executable, fails=fails))
    path.chmod(0o755)
    return path


def test_the_key_changes_with_everything_that_matters(tmp_path: Path) -> None:
    base = plan(tmp_path)
    others = [
        plan(tmp_path, "0.3.37"),
        replace(base, flags=choose_flags(LINUX, portable=True)),
        replace(base, machine=replace(LINUX, compiler="c++ 13")),
        replace(base, machine=replace(LINUX, features=frozenset({"avx2"}))),
        replace(base, machine=replace(LINUX, libc="musl")),
    ]
    assert len({base.key, *(other.key for other in others)}) == 6
    assert base.key == plan(tmp_path).key
    assert base.key == replace(base, machine=replace(LINUX, compile_probe_s=9)).key


def test_a_cuda_toolkit_that_is_not_used_changes_nothing(tmp_path: Path) -> None:
    base, idle_toolkit = plan(tmp_path), replace(LINUX, cuda_toolkit="Build cuda_13.0")
    assert replace(base, machine=idle_toolkit).key == base.key
    with_gpu = replace(idle_toolkit, cuda_gpu="GPU 0")
    newer = replace(with_gpu, cuda_toolkit="Build cuda_13.1")
    keys = {WheelPlan("0.3.36", choose_flags(machine), machine, tmp_path).key for machine in (with_gpu, newer)}
    assert len(keys | {base.key}) == 3


def test_a_slower_or_narrower_machine_is_expected_to_take_longer(tmp_path: Path) -> None:
    base = plan(tmp_path)
    assert replace(base, machine=replace(LINUX, cores=8)).expected_s == base.expected_s / 4
    assert replace(base, machine=replace(LINUX, compile_probe_s=2.0)).expected_s == 2 * base.expected_s


def test_cache_folders(tmp_path: Path) -> None:
    assert cache_folder({"EDGELLM_HOME": str(tmp_path)}, "Linux") == tmp_path / "cache" / "wheels"
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}, "Linux") == tmp_path / "edgellm" / "wheels"
    assert cache_folder({}, MAC.system).parts[-4:] == ("Library", "Caches", "edgellm", "wheels")


def test_a_build_is_kept_and_found_again(tmp_path: Path) -> None:
    said: list[str] = []
    first = obtain(plan(tmp_path), fake_python(tmp_path), said.append)
    second = obtain(plan(tmp_path), fake_python(tmp_path, fails=True), said.append)
    assert first == second
    assert first.read_bytes() == b"wheel"
    assert "-mno-amx-tile" in (first.parent / "build.log").read_text()
    assert any("built earlier" in line for line in said)


def test_a_wheel_built_before_another_home_was_chosen_is_taken(tmp_path: Path) -> None:
    usual = plan(tmp_path / "usual")
    usual.folder.mkdir(parents=True)
    wheel = usual.folder / "llama_cpp_python-1-py3-none-any.whl"
    wheel.touch()
    moved = replace(plan(tmp_path / "home"), usual_cache=tmp_path / "usual")
    said: list[str] = []
    assert obtain(moved, Path("no-python"), said.append) == wheel
    assert "built earlier" in said[0]


def test_two_builders_at_once_build_once(tmp_path: Path) -> None:
    python, found = fake_python(tmp_path), []
    threads = [
        threading.Thread(target=lambda: found.append(obtain(plan(tmp_path), python, lambda _: None))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(set(found)) == 1
    assert (plan(tmp_path).folder / "builds.txt").read_text() == "built "


def test_rebuilding_replaces_the_kept_wheel(tmp_path: Path) -> None:
    for _ in range(2):
        obtain(plan(tmp_path), fake_python(tmp_path), lambda _: None, rebuild=True)
    assert (plan(tmp_path).folder / "builds.txt").read_text() == "built built "


def test_a_failed_build_shows_its_error_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="No space left") as failure:
        obtain(plan(tmp_path), fake_python(tmp_path, fails=True), lambda _: None)
    assert "disk is full" in str(failure.value)
    assert "build.log" in str(failure.value)
    assert plan(tmp_path).find() is None


@pytest.mark.parametrize(
    ("log", "advice"),
    [
        ("g++: fatal error: Killed signal terminated program cc1plus", "CMAKE_BUILD_PARALLEL_LEVEL=1"),
        ("ERROR: No matching distribution found for scikit-build-core", "pip config list"),
        ("CMake Error: CMAKE_CXX_COMPILER not set\nNo CMAKE_CXX_COMPILER could be found.\nerror", "build-essential"),
        ("error: expected ';'", "error: expected ';'"),
    ],
)
def test_advice_for_known_failures(log: str, advice: str) -> None:
    assert advice in explain_failure(log, Path("build.log"))


def test_a_child_is_ended_when_its_watcher_leaves() -> None:
    command = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    with running(command, os.environ) as (process, lines):
        assert next(lines) == "up\n"
    assert process.returncode is not None


def test_a_terminated_set_up_takes_its_build_along() -> None:
    code = (
        "import os, signal, time; from scripts.set_up import _leave; from scripts.wheel import running\n"
        "signal.signal(signal.SIGTERM, _leave)\n"
        "with running(['sleep', '60'], os.environ) as (process, lines):\n"
        "    print(process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as set_up:
        assert set_up.stdout is not None
        build = int(set_up.stdout.readline())
        set_up.terminate()
        assert set_up.wait(timeout=20) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(build, 0)
