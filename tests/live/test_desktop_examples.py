"""The programs of examples/desktop, run without a screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.live, pytest.mark.slow]

DESKTOP = Path(__file__).parents[2] / "examples" / "desktop"
COMMAND = Path(sys.executable).with_name("edgellm")
DRIVEN = """
import sys
sys.path.insert(0, {folder!r})
from window import Window
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication
from edgellm import EdgeLLM
app = QApplication([])
with EdgeLLM(home={home!r}) as edge:
    window = Window(edge)
    window.show()
    window.question.setText("Name a colour.")
    window.question.returnPressed.emit()
    loop, poll = QEventLoop(), QTimer()
    poll.timeout.connect(lambda: None if window.is_answering else loop.quit())
    poll.start(20)
    QTimer.singleShot(60_000, loop.quit)
    loop.exec()
    poll.stop()
    print(window.answer.toPlainText())
    window.question.setText("Count to a thousand.")
    window.question.returnPressed.emit()
    window.close()
print("closed")
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_a_program_of_node_talks_with_its_own_server(tmp_path: Path) -> None:
    environment = {**os.environ, "EDGELLM": str(COMMAND), "EDGELLM_HOME": str(tmp_path)}
    done = subprocess.run(
        ["node", str(DESKTOP / "handshake.mjs"), "Name a colour."],
        capture_output=True,
        text=True,
        timeout=100,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) >= 1


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_the_server_of_a_program_that_is_killed_ends(tmp_path: Path) -> None:
    environment = {**os.environ, "EDGELLM": str(COMMAND), "EDGELLM_HOME": str(tmp_path)}
    with subprocess.Popen(
        ["node", str(DESKTOP / "handshake.mjs"), "Tell a long story."],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.read(1)  # it answers
        children = psutil.Process(program.pid).children(recursive=True)
        assert children
        program.kill()
    until = time.monotonic() + 15
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
        assert time.monotonic() < until, children
        time.sleep(0.1)


@pytest.mark.skipif(find_spec("PySide6") is None, reason="PySide6 is not installed")
def test_the_window_shows_an_answer_and_closes_in_the_middle_of_one(tmp_path: Path) -> None:
    script = DRIVEN.format(folder=str(DESKTOP), home=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert done.returncode == 0, done.stderr
    question, _, answer = done.stdout.partition("\n\n")
    assert question == "Name a colour."
    assert len(answer.split()) > 2  # an answer, and "closed"
