"""A child with native code: answers, errors, deaths, and what becomes of it when its parent goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from edgellm.engine.native import NativeChild
from edgellm.errors import InvalidInput, WorkerDied

ECHO = "tests.unit.engine.process.native_echo"


@pytest.fixture
def child() -> Iterator[NativeChild]:
    with NativeChild(ECHO) as child:
        yield child


def test_an_answer_arrives_whatever_a_library_prints(child: NativeChild) -> None:
    child.send({"do": "echo", "text": "täl"})
    assert child.receive() == {"said": "täl"}


def test_bytes_follow_their_line(child: NativeChild) -> None:
    child.send({"do": "bytes", "size": 3_000_000})
    buffer = bytearray(child.receive()["size"])
    child.receive_into(memoryview(buffer))
    assert buffer == b"x" * 3_000_000


def test_an_error_keeps_its_type_and_facts_and_the_child_goes_on(child: NativeChild) -> None:
    child.send({"do": "refuse"})
    with pytest.raises(InvalidInput, match=r"No\.") as refused:
        child.receive()
    assert (refused.value.hint, refused.value.facts) == ("Yes.", {"field": "text", "value": 7})
    child.send({"do": "echo", "text": "still here"})
    assert child.receive() == {"said": "still here"}


def test_a_death_is_an_error_with_the_last_words(child: NativeChild) -> None:
    child.send({"do": "die"})
    with pytest.raises(WorkerDied, match="SIGABRT: GGML_ASSERT failed"):
        child.receive()
    with pytest.raises(WorkerDied):
        child.send({"do": "echo", "text": "?"})


def test_a_defect_is_an_error_with_its_traceback(child: NativeChild) -> None:
    child.send({"do": "break"})
    with pytest.raises(WorkerDied, match=r"code 1: .*a defect"):
        child.receive()


def test_closing_ends_a_child_in_the_middle_of_its_work() -> None:
    child = NativeChild(ECHO)
    child.send({"do": "hang"})
    child.receive()
    started = time.monotonic()
    child.close()
    assert time.monotonic() - started < 15
    assert not psutil.pid_exists(child.pid)


def test_a_child_ends_when_its_parent_is_killed() -> None:
    program = (
        "from edgellm.engine.native import NativeChild\n"
        f"child = NativeChild({ECHO!r}); child.send({{'do': 'hang'}}); child.receive(); print(child.pid, flush=True)\n"
        "import time; time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        grandchild = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        grandchild.wait(10)
