"""What was written so far is kept, whatever ends the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgellm.cli.diagnostics import Code
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings

LONG = ("chat", "Go on for long.", "-m", "fake:decode_row_s=0.2", "--seed", "1", "--temperature", "2")


def begun(*arguments: str, ignored: signal.Signals | None = None) -> subprocess.Popen[str]:
    """The command in a process of its own, once it has written something."""

    def as_a_shell_starts_it() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number is ignored else signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, "-m", "edgellm", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=as_a_shell_starts_it,
    )
    assert process.stdout is not None
    assert process.stdout.read(1)
    return process


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, Code.INTERRUPTED), (signal.SIGTERM, Code.TERMINATED), (signal.SIGHUP, Code.HUNG_UP)],
)
def test_a_signal_keeps_the_partial_answer(number: signal.Signals, code: Code, edgellm_home: Path) -> None:
    process = begun(*LONG)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, "")
    with EdgeLLM(home=edgellm_home, settings=Settings()) as edge:
        session = edge.sessions.latest()
        assert session is not None
        question, answer = edge.sessions.messages(session.id)
        assert (question.content, answer.finish_reason) == ("Go on for long.", "cancelled")
        assert answer.content


def test_a_signal_that_its_starter_ignores_stays_ignored() -> None:
    process = begun(*LONG, "--max-tokens", "4", ignored=signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == Code.DONE


def test_a_closed_terminal_is_no_defect(edgellm_home: Path) -> None:
    master, slave = os.openpty()
    process = subprocess.Popen([sys.executable, "-m", "edgellm", *LONG], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""
    while b"\n" not in seen and len(seen.split(b"\x1b[K")[-1]) < 2:
        seen += os.read(master, 1024)
    os.close(master)  # without a signal: the process is in our session
    assert process.wait(60) == Code.READER_GONE
    assert not (edgellm_home / "data" / "logs" / "errors.log").exists()
    with EdgeLLM(home=edgellm_home, settings=Settings()) as edge:
        session = edge.sessions.latest()
        assert session is not None
        assert edge.sessions.messages(session.id)[-1].role == "assistant"


def test_the_first_modules_load_nothing_else() -> None:
    """Until `main` runs, Ctrl+C ends in a traceback: little may be loaded before."""
    code = "import sys; before = set(sys.modules); import edgellm.cli.main; print(*sorted(set(sys.modules) - before))"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"__future__", "edgellm", "edgellm.cli", "edgellm.cli.main", "gc"}
