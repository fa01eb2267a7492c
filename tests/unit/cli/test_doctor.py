"""`edgellm doctor`: what it makes of what it sees."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from edgellm.cli import checks
from edgellm.cli.checks import Finding, State
from edgellm.cli.child import Ended, run_python
from edgellm.cli.diagnostics import Diagnostics
from edgellm.cli.output import Output
from edgellm.cli.world import World
from edgellm.errors import StoreDamaged
from tests.unit.cli.bench import Bench, Stream
from tests.unit.cli.fakes import HARDWARE, FakeEdge

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM

REPORT = '{"ok": true, "device": "cpu", "load_s": 0.1, "decode_s": 0.02, "llama_cpp_version": "0.3"}\n'
REFUSED = '{"ok": false, "message": "cannot open", "detail": "fetch it again", "device": "cpu"}\n'
NO_EDGE = cast("EdgeLLM", None)


@pytest.fixture
def world(edgellm_home: Path) -> World:
    environment = {"EDGELLM_HOME": str(edgellm_home), "TERM": "xterm"}
    return World(
        stdin=Stream(),
        out=Output(Stream(), environment),
        err=Diagnostics(Stream(), environment),
        environment=environment,
    )


def answering(monkeypatch: pytest.MonkeyPatch, ended: Ended) -> None:
    """Every child ends like this."""

    def run(_arguments: Sequence[str], _environment: Mapping[str, str], _timeout_s: float) -> Ended:
        return ended

    monkeypatch.setattr(checks, "run_python", run)


@pytest.mark.parametrize(
    ("ended", "state", "found", "repair"),
    [
        (Ended(0, REPORT, ""), State.PASS, "cpu: opened in 0.10 s", ""),
        (Ended(1, REFUSED, ""), State.FAIL, "cannot open", "fetch it again"),
        (Ended(-signal.SIGILL, "", ""), State.FAIL, "SIGILL", "make setup PORTABLE=1"),
        (Ended(-signal.SIGABRT, "", "boom"), State.FAIL, "SIGABRT", "CMAKE_ARGS=-DGGML_NATIVE=OFF pip install"),
        (Ended(1, "", "No module named x"), State.FAIL, "No module named x", "make setup PORTABLE=1"),
        (Ended(None, "", ""), State.FAIL, "too long", "busy"),
    ],
)
def test_a_first_decode_is_explained(
    monkeypatch: pytest.MonkeyPatch, world: World, ended: Ended, state: State, found: str, repair: str
) -> None:
    answering(monkeypatch, ended)
    finding = checks.first_decode(world, FakeEdge().open(None, world.home, None))
    assert finding.state is state
    assert found in finding.found
    assert repair in " ".join(finding.repair)


def test_the_repair_pins_the_tested_version() -> None:
    assert f"llama-cpp-python=={checks.tested_version('llama-cpp-python')}" in " ".join(checks.rebuild())


@pytest.mark.parametrize(
    ("ended", "state"),
    [
        (Ended(0, "3.51.3\n", ""), State.PASS),
        (Ended(0, "3.51.2\n", ""), State.FAIL),
        (Ended(0, "3.9.0\n", ""), State.FAIL),
        (Ended(1, "", "no such module: fts5"), State.FAIL),
    ],
)
def test_an_old_sqlite_fails(monkeypatch: pytest.MonkeyPatch, world: World, ended: Ended, state: State) -> None:
    answering(monkeypatch, ended)
    assert checks.sqlite(world, NO_EDGE).state is state


def test_another_llama_cpp_than_the_tested_one_is_a_warning(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    answering(monkeypatch, Ended(0, '{"version": "9.9", "installed_at": 0}', ""))
    finding = checks.llama_cpp(world, NO_EDGE)
    assert finding.state is State.WARN
    assert "make setup" in finding.repair[0]


def test_little_memory_and_disk_are_warnings(world: World) -> None:
    edge = FakeEdge()
    poor = replace(HARDWARE, available_memory_bytes=2**20, disk_free_bytes=2**20)
    edge.models.hardware = lambda: poor  # type: ignore[method-assign]
    opened = edge.open(None, world.home, None)
    assert [checks.memory(world, opened).state, checks.disk(world, opened).state] == [State.WARN, State.WARN]


def test_a_damaged_store_is_a_failure_with_its_hint(world: World) -> None:
    world.home.store.parent.mkdir(parents=True)
    world.home.store.write_bytes(b"no store")
    edge = FakeEdge()

    def refuse(limit: int = 50, offset: int = 0) -> list[object]:
        raise StoreDamaged("It is damaged.", hint=f"Move it away ({limit}, {offset}).")

    edge.sessions.list = refuse  # type: ignore[method-assign,assignment]
    finding = checks.store(world, edge.open(None, world.home, None))
    assert (finding.state, finding.found) == (State.FAIL, "It is damaged.")
    assert "Move it away" in finding.repair[0]


def test_what_waits_in_the_log_counts_as_the_stores_size(world: World) -> None:
    world.home.store.parent.mkdir(parents=True)
    world.home.store.write_bytes(bytes(1_000_000))
    world.home.store.with_name("edgellm.db-wal").write_bytes(bytes(4_000_000))
    assert checks.store(world, FakeEdge().open(None, world.home, None)).found.startswith("5.0 MB (")


def test_a_home_that_is_a_file_is_a_failure_beside_all_other_findings(
    monkeypatch: pytest.MonkeyPatch, world: World, tmp_path: Path
) -> None:
    home = tmp_path / "file"
    home.write_text("in the way")
    world.home_option = str(home)
    answering(monkeypatch, Ended(1, "", "not tried here"))
    found = {finding.name: finding for finding in checks.run_checks(world)}
    assert len(found) == len(checks.CHECKS) + 1
    assert {found[name].state for name in ("Settings", "Folders")} == {State.FAIL}
    assert found["Folders"].found == f"{home} is no folder"
    assert found["Disk"].state is not State.FAIL


def test_unreadable_settings_are_a_failure_beside_all_other_findings(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    world.home.settings.parent.mkdir(parents=True, mode=0o700)
    world.home.settings.write_text("threads = ")
    answering(monkeypatch, Ended(1, "", "not tried here"))
    found = {finding.name: finding for finding in checks.run_checks(world)}
    assert "not valid TOML" in found["Settings"].found
    assert found["Folders"].state is State.PASS


def test_a_file_that_may_not_be_looked_at_fails_its_own_check(world: World) -> None:
    def store(_world: World, _edge: EdgeLLM) -> Finding:
        raise PermissionError(13, "Permission denied", "edgellm.db")

    finding = checks.made(store, world, NO_EDGE)
    assert (finding.name, finding.state) == ("Store", State.FAIL)
    assert "'edgellm.db'" in finding.found


def test_a_trial_that_reports_nothing_is_a_failure(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    answering(monkeypatch, Ended(0, "noise", ""))
    assert checks.first_decode(world, FakeEdge().open(None, world.home, None)).state is State.FAIL
    assert checks.llama_cpp(world, NO_EDGE).state is State.FAIL


def test_open_folders_are_a_warning(world: World) -> None:
    world.home.data.mkdir(parents=True, mode=0o755)
    world.home.data.chmod(0o755)
    assert checks.folders(world, NO_EDGE).repair == (f"chmod 700 {world.home.data}",)


def test_a_failure_ends_with_1_and_shows_its_repair(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
    found = (Finding("One", State.PASS, "fine"), Finding("Two", State.FAIL, "broken", ("mend it",)))
    monkeypatch.setattr("edgellm.cli.doctor.run_checks", lambda _world: iter(found))
    assert bench.run("doctor") == 1
    assert bench.out.splitlines()[:3] == [
        "ok    One             fine",
        "FAIL  Two             broken",
        "                      → mend it",
    ]
    assert bench.run("doctor", "--json") == 1
    assert json.loads(bench.out)["ok"] is False


def test_a_child_that_dies_is_only_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a stranger was imported')")
    monkeypatch.chdir(tmp_path)
    environment = {"PATH": "/usr/bin"}
    assert run_python(["-c", "import json"], environment, 30).worked
    died = run_python(["-c", "import os; os.abort()"], environment, 30)
    assert (died.exit_code, died.how) == (-signal.SIGABRT, "was ended by SIGABRT")
    late = run_python(["-c", "import time; time.sleep(60)"], environment, 0.5)
    assert (late.exit_code, late.how) == (None, "took too long")
