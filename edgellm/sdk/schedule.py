"""Files for the system's own timers, which improve a model regularly: systemd on Linux, launchd on macOS.

Nothing of EdgeLLM stays running: the system starts `edgellm improve ALIAS` when it is time. `on mains` and `when idle`
are looked at when the timer fires, which it does every hour of the chosen day or night where one of them is asked for;
an hour that finds nothing new in the queue does nothing.
"""

from __future__ import annotations

import os
import plistlib
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgellm.errors import InvalidInput, NotFound
from edgellm.paths import Home, private_dir, write_private

Every = Literal["day", "week"]
NIGHT = range(1, 7)
"""Hours in which a daily run with conditions is tried."""
HOUR = 3
"""When a run without conditions begins."""
NICE = 15
BUSY_SHARE = 0.5
"""Processes that wait for a core, for each core, above which a machine is at work (mean of the last minute)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How often, and under which conditions."""

    every: Every = "week"
    """On Sundays, or each night."""
    on_mains: bool = False
    """Not on battery."""
    when_idle: bool = False
    """Not while the machine works for somebody."""
    tenant: str = ""
    """Whose lessons are learnt; empty: this machine's own."""
    policy: Path | None = None
    """What must hold; None takes the policy that ships."""
    suites: Path | None = None
    """Where the suites are that the policy names; None: those that ship."""
    judge: str | None = None
    """The model that judges the corrected questions; None compares words."""
    collections: tuple[str, ...] = ()
    """Collections that are synced beside the alias's own."""

    @property
    def has_conditions(self) -> bool:
        """Whether an hour may pass without a run."""
        return self.on_mains or self.when_idle


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """What was written or removed, and the one command that goes on from there."""

    paths: tuple[str, ...]
    command: str
    """Enables what was written, or disables what was removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFiles:
    """The files of one alias, with their content."""

    contents: Mapping[Path, bytes]
    enable: str
    disable: str

    def write(self) -> Scheduled:
        """Put them in their place. Raises: OSError."""
        for path, content in self.contents.items():
            private_dir(path.parent)
            write_private(path, content)
        return Scheduled(paths=tuple(map(str, self.contents)), command=self.enable)

    def remove(self) -> Scheduled:
        """Take them away. Raises: NotFound when none is there."""
        there = [path for path in self.contents if path.exists()]
        if not there:
            first = next(iter(self.contents))
            message = f"There is no schedule: {str(first)!r} does not exist."
            raise NotFound(message, hint="Nothing has to be removed.", path=str(first))
        for path in there:
            path.unlink()
        return Scheduled(paths=tuple(map(str, there)), command=self.disable)


def timer_files(home: Home, alias: str, schedule: Schedule, folder: Path | None = None) -> TimerFiles:
    """The files of this system's timer. `folder`: None takes the user's own.

    Raises: InvalidInput on a system whose timer is not known.
    """
    command = command_line(home, alias, schedule)
    if sys.platform == "darwin":
        place = folder or Path.home() / "Library" / "LaunchAgents"
        label = f"edgellm.improve.{unit_name(alias)}"
        path = place / f"{label}.plist"
        domain = f"gui/{os.getuid()}"
        return TimerFiles(
            contents={path: launchd_plist(label, command, schedule)},
            enable=f"launchctl bootstrap {domain} {shlex.quote(str(path))}",
            disable=f"launchctl bootout {domain}/{label}",
        )
    if sys.platform == "linux":
        config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        place = folder or Path(config) / "systemd" / "user"
        name = f"edgellm-improve-{unit_name(alias)}"
        timer, service = f"{name}.timer", f"{name}.service"
        return TimerFiles(
            contents={
                place / service: systemd_service(alias, command, schedule).encode(),
                place / timer: systemd_timer(alias, schedule).encode(),
            },
            enable=f"systemctl --user daemon-reload && systemctl --user enable --now {timer}",
            disable=f"systemctl --user disable --now {timer}; systemctl --user daemon-reload",
        )
    raise InvalidInput("The timer of this system is not known.", hint="Linux and macOS are.", field="schedule")


def command_line(home: Home, alias: str, schedule: Schedule) -> list[str]:
    """What the timer starts: this Python, this home, this alias."""
    from edgellm.sdk.server_process import home_arguments

    conditions = ["--on-mains"] * schedule.on_mains + ["--when-idle"] * schedule.when_idle
    chosen = {
        "--tenant": schedule.tenant,
        "--policy": schedule.policy and schedule.policy.absolute(),
        "--suites": schedule.suites and schedule.suites.absolute(),
        "--judge": schedule.judge,
    }
    options = [f"{name}={value}" for name, value in chosen.items() if value]
    options += [f"--docs={name}" for name in schedule.collections]
    words = [sys.executable, "-m", "edgellm", *home_arguments(home), "improve", "run", *conditions, *options, alias]
    for word in words:
        if not word.isprintable():  # a line break would be a line of the unit
            raise InvalidInput(f"{word!r} cannot stand in a timer's file.", hint="Rename it.", field="schedule")
    return words


def systemd_service(alias: str, command: Sequence[str], schedule: Schedule) -> str:
    """The unit that does a run. Exit code 1 says that there was nothing to do, or that the gate stayed closed."""
    condition = "ConditionACPower=true\n" if schedule.on_mains else ""
    return (
        "[Unit]\n"
        f"Description=EdgeLLM: improve {_in_unit(alias)} from its users' feedback\n"
        f"{condition}"
        "\n[Service]\n"
        "Type=oneshot\n"
        f"ExecStart={' '.join(map(_quoted, command))}\n"
        "SuccessExitStatus=1\n"
        f"Nice={NICE}\n"
        "IOSchedulingClass=idle\n"
    )


def systemd_timer(alias: str, schedule: Schedule) -> str:
    """The unit that says when; a machine that was off then makes up for it."""
    hours = "*" if schedule.every == "week" else f"{NIGHT[0]:02d}..{NIGHT[-1]:02d}"
    time = f"{hours}:00:00" if schedule.has_conditions else f"{HOUR:02d}:00:00"
    day = "Sun *-*-*" if schedule.every == "week" else "*-*-*"
    return (
        "[Unit]\n"
        f"Description=EdgeLLM: improve {_in_unit(alias)}, every {schedule.every}\n"
        "\n[Timer]\n"
        f"OnCalendar={day} {time}\n"
        "RandomizedDelaySec=5min\n"
        "Persistent=true\n"
        "\n[Install]\n"
        "WantedBy=timers.target\n"
    )


def launchd_plist(label: str, command: Sequence[str], schedule: Schedule) -> bytes:
    """The agent that says when and what; launchd makes up for hours in which the machine slept."""
    hours: Sequence[int] = [HOUR]
    if schedule.has_conditions:
        hours = range(24) if schedule.every == "week" else NIGHT
    day = {"Weekday": 0} if schedule.every == "week" else {}
    return plistlib.dumps(
        {
            "Label": label,
            "ProgramArguments": list(command),
            "StartCalendarInterval": [{**day, "Hour": hour, "Minute": 0} for hour in hours],
            "ProcessType": "Background",
            "LowPriorityIO": True,
            "Nice": NICE,
        }
    )


def why_not_now(*, on_mains: bool, when_idle: bool) -> str:
    """What speaks against work that nobody waits for, in words; empty: nothing of what is asked for."""
    import psutil

    battery = psutil.sensors_battery() if on_mains and hasattr(psutil, "sensors_battery") else None
    if battery is not None and battery.power_plugged is False:
        return "the machine is on battery"
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if when_idle and load > BUSY_SHARE * cores:
        return f"the machine is at work: {load:.1f} processes on {cores} cores"
    return ""


def unit_name(alias: str) -> str:
    """An alias as part of a file's name; characters that have a meaning in one are spelled as their numbers."""
    return re.sub(r"[^A-Za-z0-9_.]", lambda found: f"-{ord(found[0]):x}-", alias)


def _in_unit(text: str) -> str:
    """Text in which systemd sees no specifier."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """One word of a command line, for systemd and for a shell."""
    if re.fullmatch(r"[A-Za-z0-9_./:@+=-]+", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
