"""Starting the processes of a run: all of them, or none is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgellm.errors import TrainingError
from edgellm.train import launch
from edgellm.train.launch import Launch
from edgellm.train.ring import Member

HERE, THERE = Member("127.0.0.1", 41_500), Member("192.0.2.1", 41_501, "anna@mini")


def test_who_cannot_reach_the_others_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    def start(*_: object) -> subprocess.Popen[bytes]:
        begun.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        return begun[-1]

    monkeypatch.setattr(Launch, "_start", start)
    monkeypatch.setattr(launch, "package", lambda *_: b"")
    monkeypatch.setattr(launch, "ssh_command", lambda _member: ["no-such-ssh"])
    with pytest.raises(TrainingError, match="no-such-ssh is not installed; 'anna@mini' cannot be reached"):
        Launch(tmp_path, os.environ, [HERE, THERE])
    assert [process.returncode for process in begun] == [-9]


def test_a_trainer_ends_with_the_one_that_listens_to_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "spec.json")  # it waits there, and says nothing
    command = [sys.executable, "-m", "edgellm.train.child", str(tmp_path)]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert child.stdout is not None
        child.stdout.close()
        assert child.wait(60) == 1
    finally:
        child.kill()
        child.wait()
