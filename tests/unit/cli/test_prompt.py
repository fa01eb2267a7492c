"""Where a prompt comes from."""

from __future__ import annotations

import os
import threading
import time

import pytest

from edgellm.cli import prompt
from edgellm.cli.diagnostics import Diagnostics
from edgellm.cli.prompt import read_prompt
from edgellm.errors import InvalidInput
from tests.unit.cli.bench import Stream


def test_a_pipe_that_keeps_silent_is_said_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "PATIENCE_S", 0.05)
    reading, writing = os.pipe()

    def write_late() -> None:
        time.sleep(0.3)
        os.write(writing, b"late")
        os.close(writing)

    err = Stream()
    writer = threading.Thread(target=write_late)
    writer.start()
    with os.fdopen(reading) as stdin:
        assert read_prompt("Say:", stdin, Diagnostics(err, {})) == "Say:\n\nlate"
    writer.join()
    assert "waiting for the end of standard input" in err.text


def test_an_idle_device_is_not_waited_for_when_there_is_an_argument() -> None:
    with open(os.devnull) as stdin:
        assert read_prompt("Hi", stdin, Diagnostics(Stream(), {})) == "Hi"


def test_a_byte_order_mark_is_no_part_of_the_prompt() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\xef\xbb\xbfHi")
    os.close(writing)
    with os.fdopen(reading) as stdin:
        assert read_prompt(None, stdin, Diagnostics(Stream(), {})) == "Hi"


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "LIMIT_BYTES", 4)
    reading, writing = os.pipe()
    os.write(writing, b"12345")
    os.close(writing)
    with os.fdopen(reading) as stdin, pytest.raises(InvalidInput, match="more than"):
        read_prompt(None, stdin, Diagnostics(Stream(), {}))


def test_an_argument_that_is_no_text_is_refused() -> None:
    with open(os.devnull) as stdin, pytest.raises(InvalidInput, match="not UTF-8"):
        read_prompt("a\udcff", stdin, Diagnostics(Stream(), {}))
