"""What happens when the worker, the face, the wire or the template misbehaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from edgellm.engine import supervisor, wire
from edgellm.engine.config import EngineConfig
from edgellm.engine.frames import FRAME_LIMIT_BYTES, pack
from edgellm.engine.stream import Stream
from edgellm.engine.supervisor import Worker
from edgellm.errors import EngineError, InvalidInput, ModelLoadFailed, WorkerDied
from edgellm.types import Delta, Notice
from tests.unit.engine.process.faces import (
    ENDLESS,
    RawFace,
    fake_config,
    fake_worker,
    is_gone,
    short,
    text_of,
    user,
    wait_until,
)

SLOW = "decode_row_s=0.002,prefill_token_s=0.001"


@pytest.fixture
def face() -> Iterator[RawFace]:
    face = RawFace.start()
    yield face
    face.close()


def end_of(stream: Stream) -> Exception | None:
    """The error a stream ends with."""
    for _ in stream:
        continue
    try:
        stream.result()
    except (EngineError, InvalidInput) as error:
        return error
    return None


def kill_midstream(worker: Worker, how: signal.Signals) -> list[Exception | None]:
    """Three streams, one of them running, when the process is killed."""
    streams = [worker.chat(user(f"victim {number}"), sampling=ENDLESS) for number in range(3)]
    while not isinstance(next(streams[0]), Delta):
        continue
    os.kill(worker.pid, how)
    return [end_of(stream) for stream in streams]


def test_a_killed_worker_ends_its_streams_and_the_next_request_works() -> None:
    with fake_worker(SLOW) as worker:
        errors = kill_midstream(worker, signal.SIGSEGV)
        assert all(isinstance(error, WorkerDied) for error in errors)
        assert "SIGSEGV" in str(errors[0])
        events = list(worker.chat(user("again"), sampling=short()))
        assert isinstance(events[0], Notice)
        assert "started again" in events[0].text
        assert text_of(events)
        assert not any(isinstance(event, Notice) for event in worker.chat(user("third"), sampling=short()))


@pytest.mark.parametrize("rounds", [3, pytest.param(25, marks=pytest.mark.long)])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_killed_again_and_again_midstream(how: signal.Signals, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "BACKOFF_S", (0.0,) * 30)
    with fake_worker(SLOW) as worker:
        for round_number in range(rounds):
            errors = kill_midstream(worker, how)
            assert [type(error) for error in errors] == [WorkerDied] * 3, round_number
            assert text_of(worker.chat(user("next"), sampling=short()))
        assert threading.active_count() < 20


@pytest.mark.slow
def test_five_deaths_in_a_minute_refuse_until_the_minute_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "BACKOFF_S", (0.0, 0.05, 0.1))
    monkeypatch.setattr(supervisor, "DEATH_WINDOW_S", 4.0)
    with fake_worker(SLOW) as worker:
        for _ in range(3):
            kill_midstream(worker, signal.SIGKILL)
        refused = end_of(worker.chat(user("too soon")))
        assert isinstance(refused, WorkerDied)
        assert "died 3 times" in refused.message
        assert "SIGKILL" in refused.message
        with pytest.raises(WorkerDied, match="died 3 times"):
            worker.tokenize("x")
        time.sleep(4.0)
        assert text_of(worker.chat(user("now"), sampling=short()))


def test_a_restart_waits_for_its_pause_without_blocking_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "BACKOFF_S", (0.8, 0.8))
    with fake_worker(SLOW) as worker:
        kill_midstream(worker, signal.SIGKILL)
        started = time.monotonic()
        stream = worker.chat(user("patience"), sampling=short())
        assert time.monotonic() - started < 0.7
        assert text_of(stream)
        assert time.monotonic() - started > 0.8


def test_a_model_that_cannot_be_opened_is_a_typed_error_and_no_death() -> None:
    with pytest.raises(InvalidInput, match="no_such"):
        fake_worker("no_such=1")
    worker = Worker(fake_config("no_such=1"))
    for _ in range(6):
        assert isinstance(end_of(worker.chat(user("x"))), InvalidInput)
    worker.stop()


def test_a_worker_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(WorkerDied, match="could not be started"):
        fake_worker()


def test_a_worker_without_a_socket_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("edgellm.engine.link.socket.socketpair", exhausted)
    with pytest.raises(WorkerDied, match="Too many open files"):
        fake_worker()


def test_a_log_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EngineError, match="no place for its log"):
        Worker(fake_config(), log_dir=tmp_path / "file")


def test_a_watcher_that_fails_ends_the_worker_instead_of_leaving_everybody_waiting() -> None:
    def broken(_: wire.AnyAnswer) -> None:
        raise ValueError("no such widget")

    worker = fake_worker()
    try:
        stream = worker.chat(user("x"), sampling=ENDLESS)
        worker._link.send(10**6, pack(wire.Stats(id=10**6)), broken)
        error = end_of(stream)
        assert isinstance(error, WorkerDied)
        assert "no such widget" in error.message
    finally:
        worker.stop()


STUCK = """
import sys, time
from edgellm.engine import watchdog, worker
from edgellm.engine.fake import FakeBackend
watchdog.LOOK_EVERY_S, watchdog.MOST_LOOKS = 0.05, 4
FakeBackend.run = lambda *_: time.sleep(60)
sys.exit(worker.main(sys.argv[1:]))
"""


def test_a_worker_that_is_stuck_in_a_step_is_ended_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spawn = subprocess.Popen

    def stuck(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        return spawn([command[0], "-c", STUCK, *command[3:]], **options)

    monkeypatch.setattr("edgellm.engine.link.subprocess.Popen", stuck)
    with Worker.start(fake_config(), log_dir=tmp_path) as worker:
        error = end_of(worker.chat(user("x")))
        assert isinstance(error, WorkerDied)
        assert "stuck in one step" in error.message
        assert "does not come back" in str(error.facts["detail"])
    (log,) = tmp_path.iterdir()
    assert "in watched" in log.read_text(), "the log shows where it was stuck"


def test_a_load_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ModelLoadFailed, match="not open after"):
        Worker.start(fake_config(), log_dir=None, ready_timeout_s=0.001)


def test_stop_ends_open_streams_and_refuses_later_ones() -> None:
    worker = fake_worker(SLOW)
    stream = worker.chat(user("x"), sampling=ENDLESS)
    next(stream)
    pid = worker.pid
    worker.stop()
    worker.stop()
    assert is_gone(pid)
    assert isinstance(end_of(stream), EngineError)
    refused = end_of(worker.chat(user("x")))
    assert "unloaded" in str(refused)


def test_a_request_that_waits_for_a_model_which_is_unloaded_is_promised_nothing() -> None:
    worker = Worker(fake_config())
    stream = worker.chat(user("x"))
    worker.stop()
    error = end_of(stream)
    assert isinstance(error, EngineError)
    assert "again" not in str(error)


def test_what_the_process_says_goes_to_its_private_log(tmp_path: Path) -> None:
    with Worker.start(EngineConfig(model_path="fake:"), log_dir=tmp_path / "logs") as worker:
        text_of(worker.chat(user("x"), sampling=short()))
    (log,) = (tmp_path / "logs").iterdir()
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x01\xc1", (FRAME_LIMIT_BYTES + 1).to_bytes(4, "big"), b"\x00" * 64],
)
def test_garbage_on_the_wire_ends_the_worker_with_a_clear_message(face: RawFace, garbage: bytes) -> None:
    face.open(fake_config(SLOW))
    face.send(wire.Chat(id=1, messages=user("x"), options=wire.Options(sampling=ENDLESS)))
    assert isinstance(face.receive(), wire.Piece | wire.Progress)
    face.channel.sendall(garbage)
    exit_code, said = face.wait(20)
    assert exit_code == 0
    assert "garbage" in said


def test_a_first_ask_that_opens_nothing_ends_the_worker(face: RawFace) -> None:
    face.send(wire.Stats(id=1))
    exit_code, said = face.wait()
    assert exit_code == 1
    assert "must be Open" in said


def test_opening_twice_is_refused_and_harmless(face: RawFace) -> None:
    face.open(fake_config())
    face.send(wire.Open(id=3, config=fake_config()), wire.Tokenize(id=4, text="x"))
    answers = face.receive_all(lambda answers: len(answers) == 2)
    assert [type(answer) for answer in answers] == [wire.Refused, wire.Tokens]


@pytest.mark.parametrize("prompt_tokens", [10, 6000])
def test_a_vanished_face_ends_the_worker_within_five_seconds(face: RawFace, prompt_tokens: int) -> None:
    """With 6,000 tokens the worker is in the middle of a prefill of several seconds."""
    face.open(fake_config("decode_row_s=0.002,prefill_token_s=0.01", context_tokens=8192))
    face.send(wire.Chat(id=1, messages=user("x" * prompt_tokens), options=wire.Options(sampling=ENDLESS)))
    time.sleep(0.3)
    face.channel.close()
    started = time.monotonic()
    face.wait(20)
    assert time.monotonic() - started < 5


def test_sigterm_saves_conversations_and_ends(face: RawFace, tmp_path: Path) -> None:
    face.open(fake_config(disk_cache_dir=str(tmp_path / "kept")))
    options = wire.Options(sampling=short(), conversation="talk")
    face.send(wire.Chat(id=1, messages=user("remember me"), options=options))
    face.receive_all(lambda answers: any(isinstance(answer, wire.Done) for answer in answers))
    face.process.send_signal(signal.SIGTERM)
    assert face.wait(20)[0] == 0
    assert [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]


def test_ctrl_c_belongs_to_the_face() -> None:
    with fake_worker(SLOW) as worker:
        os.kill(worker.pid, signal.SIGINT)
        assert text_of(worker.chat(user("still here"), sampling=short()))


FACE = """
import sys
from tests.unit.engine.process.faces import ENDLESS, fake_worker, user
worker = fake_worker("decode_row_s=0.002,prefill_token_s=0.01", context_tokens=8192)
stream = worker.chat(user("x" * int(sys.argv[1])), sampling=ENDLESS)
print(worker.pid, flush=True)
for _ in stream:
    pass
"""


@pytest.mark.parametrize("prompt_tokens", [5, 6000])
def test_a_killed_face_leaves_no_process_behind(prompt_tokens: int) -> None:
    face = subprocess.Popen([sys.executable, "-c", FACE, str(prompt_tokens)], stdout=subprocess.PIPE)
    assert face.stdout is not None
    try:
        pid = int(face.stdout.readline())
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        assert len(family) == 2, "the worker and its render child"
        time.sleep(0.3)
    finally:
        face.kill()
        face.wait()
        face.stdout.close()
    assert wait_until(lambda: all(map(is_gone, family)), 5.0)


FORKING_FACE = """
import os, time
from tests.unit.engine.process.faces import fake_worker
worker = fake_worker()
holder = os.fork()
if holder == 0:
    time.sleep(30)
    os._exit(0)
print(worker.pid, holder, flush=True)
time.sleep(30)
"""


def test_a_fork_of_the_killed_face_that_holds_the_socket_does_not_keep_the_worker_alive() -> None:
    face = subprocess.Popen([sys.executable, "-c", FORKING_FACE], stdout=subprocess.PIPE)
    assert face.stdout is not None
    worker, holder = map(int, face.stdout.readline().split())
    try:
        face.kill()
        face.wait()
        assert wait_until(lambda: is_gone(worker), 5.0)
        assert not is_gone(holder)
    finally:
        os.kill(holder, signal.SIGKILL)
        face.stdout.close()


def test_processes_the_face_starts_later_hold_no_socket_of_the_worker() -> None:
    with fake_worker():
        ours = psutil.Process().net_connections("unix")
        later = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
        try:
            assert ours
            assert psutil.Process(later.pid).net_connections("unix") == []
        finally:
            later.communicate(b"\n")
