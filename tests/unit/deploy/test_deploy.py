"""The service files are valid, start what there is, and give no more rights than the server needs."""

from __future__ import annotations

import json
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from edgellm.cli.serve import serve
from edgellm.server.run import GRACE_S

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
UNIT = (DEPLOY / "edgellm.service").read_text(encoding="utf-8")
CONTAINER = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
PROGRAM = "/opt/edgellm/.venv/bin/edgellm"


def plist() -> dict[str, object]:
    found: dict[str, object] = plistlib.loads((DEPLOY / "edgellm.serve.plist").read_bytes())
    return found


def unit() -> dict[str, str]:
    """The unit's settings; none of them occurs twice."""
    lines = [line.partition("=") for line in UNIT.splitlines() if line and line[0] not in "#["]
    assert len({name for name, _, _ in lines}) == len(lines)
    return {name: value for name, _, value in lines}


def instructions(name: str) -> list[str]:
    """What follows an instruction of the last stage, each time it occurs."""
    last = "FROM " + CONTAINER.rsplit("\nFROM ", 1)[1]
    return re.findall(rf"^{name} (.+)$", last.replace("\\\n", " "), re.MULTILINE)


def commands() -> dict[str, list[str]]:
    """How each of the three starts the server."""
    arguments = plist()["ProgramArguments"]
    assert isinstance(arguments, list)
    container = json.loads(instructions("ENTRYPOINT")[0]) + json.loads(instructions("CMD")[0])
    return {"systemd": shlex.split(unit()["ExecStart"]), "launchd": arguments, "container": container}


@pytest.mark.parametrize("kind", ["systemd", "launchd", "container"])
def test_the_command_is_one_that_the_program_takes(kind: str) -> None:
    program, command, *options = commands()[kind]
    assert (Path(program).name, command) == ("edgellm", "serve")
    assert serve.make_context("serve", options).params["host"] in ("127.0.0.1", "0.0.0.0")


def test_an_option_that_is_not_there_is_noticed() -> None:
    with pytest.raises(click.NoSuchOption):
        serve.make_context("serve", ["--no-such-option"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / "edgellm.service"
    copy.write_text(UNIT.replace(PROGRAM, sys.executable).replace("file:///opt/edgellm", f"file://{ROOT}"))
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_little_exposure(tmp_path: Path) -> None:
    copy = tmp_path / "edgellm.service"
    copy.write_text(UNIT)
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = re.search(r"exposure level for edgellm.service: ([0-9.]+)", done.stdout)
    if found is None:
        pytest.skip(f"this systemd-analyze judges no files: {done.stderr[:200]}")
    assert float(found[1]) <= 2.0


def test_each_waits_until_the_server_has_drained() -> None:
    seconds = [unit()["TimeoutStopSec"], plist()["ExitTimeOut"], re.findall(r"--stop-timeout (\d+)", CONTAINER)[0]]
    assert all(int(str(each)) > GRACE_S + 1 for each in seconds)
    assert unit()["KillMode"] == "mixed"


def test_none_runs_as_root_or_writes_elsewhere() -> None:
    assert unit()["User"] == "edgellm"
    assert unit()["Environment"] == f"EDGELLM_HOME=/var/lib/{unit()['StateDirectory']}"
    assert (unit()["ProtectSystem"], unit()["CapabilityBoundingSet"]) == ("strict", "")
    assert (plist()["UserName"], plist()["Umask"]) == ("_edgellm", 0o077)
    assert instructions("USER") == ["10001"]
    assert instructions("VOLUME") == ["/data"]
    assert "EDGELLM_HOME=/data" in instructions("ENV")[0]


def test_the_container_is_built_from_what_there_is() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINER, re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert "edgellm" in names
    assert all((ROOT / name).exists() for name in names)


def test_what_the_files_say_to_type_is_there() -> None:
    told = [path.read_text(encoding="utf-8") for path in sorted(DEPLOY.iterdir())]
    assert all("keys create NAME" in text for text in told)
    assert "setup:" in (ROOT / "Makefile").read_text(encoding="utf-8")
