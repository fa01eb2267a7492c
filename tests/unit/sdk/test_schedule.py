"""Timer files: what systemd and launchd are told, checked by systemd itself where it is installed."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from edgellm.errors import InvalidInput, NotFound
from edgellm.paths import Home, home_from
from edgellm.sdk import schedule
from edgellm.sdk.schedule import Schedule, timer_files, unit_name, why_not_now

SCHEDULES = [
    Schedule(),
    Schedule(every="day"),
    Schedule(every="day", when_idle=True),
    Schedule(on_mains=True, when_idle=True),
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_from({"EDGELLM_HOME": str(tmp_path / "a home")})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "units"


@pytest.mark.parametrize("wanted", SCHEDULES)
def test_systemd_accepts_the_units(home: Home, folder: Path, wanted: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    done = timer_files(home, "openai/gpt-4o", wanted, folder).write()
    service, timer = (Path(path) for path in done.paths)
    assert timer.name == "edgellm-improve-openai-2f-gpt-2d-4o.timer"
    assert timer.name in done.command
    said = service.read_text()
    assert ("ConditionACPower=true" in said) is wanted.on_mains
    assert ("--when-idle" in said) is wanted.when_idle
    assert f'"{home.data.parent}" improve run' in said
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not installed here")
    checked = subprocess.run(
        [analyze, "verify", "--man=no", str(timer)], capture_output=True, text=True, timeout=30, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("wanted", "when"),
    [
        (Schedule(), "Sun *-*-* 03:00:00"),
        (Schedule(every="day"), "*-*-* 03:00:00"),
        (Schedule(every="day", on_mains=True), "*-*-* 01..06:00:00"),
        (Schedule(when_idle=True), "Sun *-*-* *:00:00"),
    ],
)
def test_conditions_are_tried_again_every_hour(wanted: Schedule, when: str) -> None:
    timer = schedule.systemd_timer("assistant", wanted)
    assert f"OnCalendar={when}\n" in timer
    assert "Persistent=true" in timer


def test_a_scheduled_run_is_told_what_one_by_hand_is(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer starts it in another folder: what is relative there would be something else."""
    monkeypatch.chdir(tmp_path)
    wanted = Schedule(
        tenant="k1", policy=Path("policy.toml"), suites=Path("evals"), judge="qwen3", collections=("a", "b")
    )
    words = schedule.command_line(home, "assistant", wanted)
    assert words[words.index("run") :] == [
        "run",
        "--tenant=k1",
        f"--policy={tmp_path / 'policy.toml'}",
        f"--suites={tmp_path / 'evals'}",
        "--judge=qwen3",
        "--docs=a",
        "--docs=b",
        "assistant",
    ]


@pytest.mark.parametrize("wanted", [Schedule(tenant="a\nExecStartPost=evil"), Schedule(policy=Path("/a\nb"))])
def test_no_word_of_a_command_becomes_a_line_of_the_unit(home: Home, folder: Path, wanted: Schedule) -> None:
    with pytest.raises(InvalidInput, match="cannot stand in a timer's file"):
        timer_files(home, "assistant", wanted, folder)


def test_launchd_is_told_the_same(home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    done = timer_files(home, "assistant", Schedule(every="day", on_mains=True), folder).write()
    (path,) = map(Path, done.paths)
    plist = plistlib.loads(path.read_bytes())
    assert plist["ProgramArguments"][-4:] == ["improve", "run", "--on-mains", "assistant"]
    assert [each["Hour"] for each in plist["StartCalendarInterval"]] == [1, 2, 3, 4, 5, 6]
    assert done.command.startswith("launchctl bootstrap gui/")
    weekly = plistlib.loads(schedule.launchd_plist("label", ["x"], Schedule()))
    assert weekly["StartCalendarInterval"] == [{"Weekday": 0, "Hour": 3, "Minute": 0}]


def test_files_are_removed_again(home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    files = timer_files(home, "assistant", Schedule(), folder)
    with pytest.raises(NotFound, match="no schedule"):
        files.remove()
    files.write()
    assert "disable" in files.remove().command
    assert list(folder.iterdir()) == []


def test_what_has_a_meaning_for_systemd_is_escaped() -> None:
    command = ["/a b/python", "-m", 'x"$HOME%h\\']
    said = schedule.systemd_service("100%", command, Schedule())
    assert r'ExecStart="/a b/python" -m "x\"$$HOME%%h\\"' in said
    assert "improve 100%% from" in said


def test_aliases_that_look_alike_have_files_of_their_own() -> None:
    names = {unit_name(alias) for alias in ("a/b", "a-b", "a:b", "a_b", "a.b", "a-2f-b")}
    assert len(names) == 6


def test_a_system_whose_timer_is_not_known(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "sunos5")
    with pytest.raises(InvalidInput, match="timer of this system"):
        timer_files(home, "assistant", Schedule())


class Battery:
    def __init__(self, *, plugged: bool) -> None:
        self.power_plugged = plugged


def test_it_is_not_now_on_battery_or_while_the_machine_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "sensors_battery", lambda: Battery(plugged=False), raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0, 0.0, 0.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert why_not_now(on_mains=False, when_idle=False) == ""
    assert why_not_now(on_mains=True, when_idle=False) == "the machine is on battery"
    assert "3.0 processes on 4 cores" in why_not_now(on_mains=False, when_idle=True)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: Battery(plugged=True), raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.0, 0.0, 0.0))
    assert why_not_now(on_mains=True, when_idle=True) == ""
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)
    assert why_not_now(on_mains=True, when_idle=False) == ""


def test_the_command_is_this_python(home: Home) -> None:
    assert schedule.command_line(home, "assistant", Schedule())[:3] == [sys.executable, "-m", "edgellm"]
