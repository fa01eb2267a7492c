"""On a real terminal's wire: hostile texts add no control sequence to those the app writes anyway."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEQUENCE = re.compile(
    r"\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b\[(?P<csi>[?<>=]?[0-9;:]*[ -/]*[@-~])"
    r"|\x1b(?P<string>[PX^_])"
    r"|\x1b(?P<short>[^\[\]PX^_])"
)
KEYS = ("go\r", "again\r", "\x0f", "\x1bOR", "needle", "\x1b", "\x1bOS", "\x1b[B", "\x1bOQ", "\x14", "\x1b", "\x11")
"""Two messages, reasoning, sessions, a search, back, models, down, chat, switcher, back, quit."""
LEAVES_FULL_SCREEN = b"\x1b[?1049l"
START_S, PAUSE_S, QUIET_S, END_S = 30.0, 1.0, 0.2, 20.0


def start(*arguments: str, **variables: str) -> tuple[subprocess.Popen[bytes], int]:
    """The app on a terminal of its own, and the other end of that terminal."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT)}
    environment.pop("NO_COLOR", None)
    environment.update(variables)
    app = subprocess.Popen(
        [sys.executable, "-m", "tests.tui.pty_app", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
    os.close(follower)
    return app, leader


def on_the_wire(scenario: str, **variables: str) -> str:
    """Everything the app writes to its terminal while the keys are pressed."""
    app, leader = start(scenario, **variables)
    try:
        written = bytearray(_read(leader, START_S, until=b"Message"))
        for key in KEYS:
            os.write(leader, key.encode())
            written += _read_what_follows(leader)
        written += _read(leader, END_S)
        assert app.wait(END_S) == 0
    finally:
        if app.poll() is None:
            app.kill()
            app.wait()
        os.close(leader)
    return written.decode()


def _read_what_follows(leader: int) -> bytes:
    """What a key leads to: from the first sequence until nothing came for a while."""
    read = _read(leader, PAUSE_S, until=b"\x1b")
    while piece := _read(leader, QUIET_S, until=b"\x1b"):
        read += piece
    return read


def _read(leader: int, seconds: float, until: bytes | None = None) -> bytes:
    read, end = bytearray(), time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not (until and until in read):
        if select.select([leader], [], [], min(left, 0.05))[0]:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:  # the same, on macOS
                break
            read += piece
    return bytes(read)


def colours(written: str) -> set[int]:
    """The parameters of all SGR sequences that are colours."""
    found = re.findall(r"\x1b\[([0-9;:]*)m", written)
    numbers = {int(number) for sequence in found for number in re.split("[;:]", sequence) if number}
    return numbers & {*range(30, 39), *range(40, 49), *range(90, 98), *range(100, 108)}


def kinds(written: str) -> Counter[str]:
    """Control sequences by kind: private mark and final character, or the number of an OSC."""
    found: Counter[str] = Counter()
    for match in SEQUENCE.finditer(written):
        if match["csi"] is not None:
            mode = match["csi"] if match["csi"][-1] in "hl" else match["csi"].strip("0123456789;:")
            found[f"CSI {mode}"] += 1
        elif match["osc"] is not None:
            found[f"OSC {match['osc'].split(';')[0]}"] += 1
        else:
            found[f"ESC {match['string'] or match['short']}"] += 1
    return found


@pytest.mark.slow
def test_bytes_that_are_no_text_end_nothing() -> None:
    app, leader = start("calm")
    try:
        _read(leader, START_S, until=b"Message")
        os.write(leader, b"caf\xe9 au lait")
        assert "caf\ufffd au lait" in SEQUENCE.sub("", _read(leader, START_S, until=b"lait").decode(errors="ignore"))
        os.write(leader, b"\x1b[200~\x9b\xff\x1b[201~\x11")
        _read(leader, END_S)
        assert app.wait(END_S) == 0
    finally:
        if app.poll() is None:
            app.kill()
            app.wait()
        os.close(leader)


@pytest.mark.slow
def test_hostile_texts_add_nothing_to_the_wire() -> None:
    with ThreadPoolExecutor() as both:
        calm, hostile = both.map(on_the_wire, ("calm", "hostile"))
    assert "␛" in hostile, "the payloads were not shown at all"
    assert "needle" in hostile
    assert set(kinds(hostile)) <= set(kinds(calm))
    assert "OSC 52" not in kinds(hostile)
    rest = SEQUENCE.sub("", hostile)
    assert Counter(c for c in rest if ord(c) < 0x20 and c not in "\r\n") == Counter()
    assert not re.search("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]", rest)


@pytest.mark.slow
def test_no_color_sends_no_colour_and_shows_what_is_chosen() -> None:
    written = on_the_wire("calm", NO_COLOR="1")
    assert "needle" in written
    assert colours(written) == set()
    assert re.search(r"\x1b\[(?:[0-9]+;)*7(?:;[0-9]+)*m", written), "nothing is reversed"


@pytest.mark.slow
def test_the_app_ends_with_a_terminal_that_is_gone_without_a_signal() -> None:
    app, leader = start("calm")  # not the first process of its terminal: nobody sends it SIGHUP
    try:
        _read(leader, START_S, until=b"Message")
        os.close(leader)
        assert app.wait(END_S) == 128 + signal.SIGHUP
    finally:
        if app.poll() is None:
            app.kill()
            app.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, None],
    ids=["SIGINT", "SIGTERM", "SIGHUP", "the terminal is gone"],
)
def test_what_was_streamed_is_stored_when_the_app_is_ended_from_outside(how: int | None, tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    app, leader = start("slow", str(stored))
    try:
        _read(leader, START_S, until=b"Message")
        os.write(leader, b"go\r")
        _read(leader, START_S, until=b"word")
        if how is None:
            os.close(leader)
        else:
            app.send_signal(how)
            written = _read(leader, END_S)
            assert LEAVES_FULL_SCREEN in written
        assert app.wait(END_S) == 128 + (how or signal.SIGHUP)
    finally:
        if app.poll() is None:
            app.kill()
            app.wait()
        if how is not None:
            os.close(leader)
    assert [line.split()[:2] for line in stored.read_text().splitlines()] == [
        ["user", "None"],
        ["assistant", "cancelled"],
    ]
