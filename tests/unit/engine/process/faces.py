"""Workers on the built-in fake model, and faces that use them, for the process tests."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import psutil

from edgellm.engine import wire
from edgellm.engine.config import EngineConfig
from edgellm.engine.frames import Frames, pack
from edgellm.engine.supervisor import Worker
from edgellm.types import Delta, Message, Sampling, StreamEvent

END_TOKEN = 257
"""The fake model's `<|im_end|>`."""
ENDLESS = Sampling(temperature=0.0, seed=1, logit_bias={END_TOKEN: -100.0})
"""Writes until the context is full."""


def fake_config(options: str = "", **settings: Any) -> EngineConfig:
    """A fake model; `options` as in `fake:decode_row_s=0.01`."""
    return EngineConfig(model_path=f"fake:{options}", **settings)


def fake_worker(options: str = "", **settings: Any) -> Worker:
    """An open worker on the fake model."""
    return Worker.start(fake_config(options, **settings), log_dir=None)


def user(text: str) -> tuple[Message, ...]:
    """A conversation of one turn."""
    return (Message(role="user", content=text),)


def short(tokens: int = 5) -> Sampling:
    """Exactly so many tokens, always the same."""
    return Sampling(temperature=0.0, seed=1, logit_bias={END_TOKEN: -100.0}, max_tokens=tokens)


def text_of(events: Iterable[StreamEvent]) -> str:
    """The answer in a stream's events."""
    return "".join(event.text for event in events if isinstance(event, Delta))


def wait_until(holds: Callable[[], bool], limit_s: float = 30.0) -> bool:
    """Whether `holds` became true in time."""
    until = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def is_gone(pid: int) -> bool:
    """Whether a process has ended; a zombie counts."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@dataclass
class RawFace:
    """A face that writes bytes to a worker itself."""

    process: subprocess.Popen[bytes]
    channel: socket.socket

    @classmethod
    def start(cls) -> RawFace:
        """A worker process that waits for its first ask."""
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            [sys.executable, "-m", "edgellm.engine.worker", "--fd", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()
        ours.settimeout(20)
        return cls(process, ours)

    def open(self, config: EngineConfig) -> None:
        """Open the model and wait until it is there."""
        self.send(wire.Open(id=wire.OPEN_ID, config=config))
        while not isinstance(self.receive(), wire.Opened):
            continue

    def send(self, *asks: wire.AnyAsk) -> None:
        """Write asks in one go."""
        self.channel.sendall(b"".join(map(pack, asks)))

    def receive(self) -> wire.AnyAnswer:
        """The next answer."""
        return self.receive_all(lambda answers: bool(answers))[0]

    def receive_all(self, is_enough: Callable[[list[wire.AnyAnswer]], bool]) -> list[wire.AnyAnswer]:
        """Answers until there are enough."""
        frames = Frames[wire.AnyAnswer](wire.AnyAnswer)
        answers: list[wire.AnyAnswer] = []
        while not is_enough(answers):
            data = self.channel.recv(4096)
            assert data, "the worker closed the connection"
            answers += frames.feed(data)
        return answers

    def wait(self, limit_s: float = 30.0) -> tuple[int, str]:
        """The exit code, and what it wrote to standard error."""
        _, said = self.process.communicate(timeout=limit_s)
        return self.process.returncode, said.decode()

    def close(self) -> None:
        """Leave nothing behind."""
        self.channel.close()
        self.process.kill()
        self.process.communicate()
