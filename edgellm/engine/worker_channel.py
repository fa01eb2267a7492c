"""The worker's end of the socket: a thread that reads asks and a thread that writes answers."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterable
from queue import Empty, SimpleQueue

from edgellm.engine import wire
from edgellm.engine.backend import Backend
from edgellm.engine.frames import READ_BYTES, Frames, WireError, pack
from edgellm.engine.outcome import failed
from edgellm.engine.toolcalls import joined_calls
from edgellm.types import Delta

PARENT_CHECK_S = 1.0
"""How often the reader looks whether the face still is the parent; another process may hold its socket open."""
FLUSH_LIMIT_S = 2.0
TEXT_INTERVAL_S = 0.04
"""Time between two sendings of text: shorter than a reader notices, longer than a fast step."""
MOST_TOGETHER = 64
"""Answers written in one piece."""


class Tray:
    """Asks on their way from the reading thread to the engine thread."""

    def __init__(self) -> None:
        self.backend: Backend | None = None
        """Set when the model is open; from then on steps can be aborted."""
        self._asks: SimpleQueue[wire.AnyAsk] = SimpleQueue()
        self._wanted: set[int] = set()

    def put(self, ask: wire.AnyAsk) -> None:
        """Queue an ask, and abort the step in progress when nobody wants its result any more."""
        if isinstance(ask, wire.Chat | wire.Complete | wire.Score):
            self._wanted.add(ask.id)
        elif isinstance(ask, wire.Cancel):
            self._wanted.discard(ask.id)
        self._asks.put(ask)
        is_end = isinstance(ask, wire.Shutdown)
        if self.backend is not None and (is_end or (isinstance(ask, wire.Cancel) and not self._wanted)):
            self.backend.abort()

    def done(self, ask_id: int) -> None:
        """The request has ended."""
        self._wanted.discard(ask_id)

    def take(self, timeout_s: float | None) -> list[wire.AnyAsk]:
        """Every ask that is there; waits up to `timeout_s` (None: without end) for the first."""
        asks: list[wire.AnyAsk] = []
        try:
            asks.append(self._asks.get(timeout=timeout_s) if timeout_s != 0 else self._asks.get_nowait())
            while True:
                asks.append(self._asks.get_nowait())
        except Empty:
            return asks


def read_asks(channel: socket.socket, tray: Tray) -> str:
    """Fill the tray until the face is gone or talks nonsense. Returns what happened."""
    parent = os.getppid()
    frames = Frames[wire.AnyAsk](wire.AnyAsk)
    try:
        while os.getppid() == parent:
            if not select.select([channel], [], [], PARENT_CHECK_S)[0]:
                continue
            data = channel.recv(READ_BYTES)
            if not data:
                return "the face closed the connection"
            for ask in frames.feed(data):
                tray.put(ask)
    except WireError as error:
        return f"the face sent garbage: {error.message}"
    except ConnectionResetError:
        return "the connection was reset"
    return "the face is gone"


class Outbox:
    """Answers on their way to the face; encoded and written by a thread of their own, while the model computes."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._answers: SimpleQueue[wire.AnyAnswer | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="edgellm-writer", daemon=True)
        self._thread.start()

    def put(self, answer: wire.AnyAnswer) -> None:
        """Queue an answer."""
        self._answers.put(answer)

    def close(self) -> None:
        """Write what is queued, for a moment at most."""
        self._answers.put(None)
        self._thread.join(FLUSH_LIMIT_S)

    def _write(self) -> None:
        """Everything that waits goes out in one piece, text at most every `TEXT_INTERVAL_S`.

        Each waking of the face takes a core from llama.cpp's spinning threads: on two cores, a tenth of the speed.
        """
        is_open, text_at = True, 0.0
        while is_open:
            answers = [self._answers.get()]
            if isinstance(answers[0], wire.Piece):
                time.sleep(max(0.0, text_at - time.monotonic()))
                text_at = time.monotonic() + TEXT_INTERVAL_S
            while len(answers) < MOST_TOGETHER and not self._answers.empty():
                answers.append(self._answers.get())
            is_open = None not in answers
            try:
                self._channel.sendall(b"".join(_frame(answer) for answer in joined(answers)))
            except (BrokenPipeError, ConnectionResetError):
                return  # the reading thread sees the same end


def joined(answers: Iterable[wire.AnyAnswer | None]) -> list[wire.AnyAnswer]:
    """The answers in order, with a stream's pieces of text joined: fewer events for the face to wake up for.

    Pieces that carry token traces stay as they are.
    """
    kept: list[wire.AnyAnswer] = []
    growing: dict[tuple[int, int], int] = {}  # stream to the place of its only piece in `kept`
    for answer in answers:
        if answer is None:
            continue
        if isinstance(answer, wire.Piece) and not answer.delta.tokens:
            place = growing.setdefault((answer.id, answer.delta.index), len(kept))
            if place < len(kept):
                kept[place] = _sum(kept[place], answer)
                continue
        kept.append(answer)
    return kept


def _sum(first: wire.AnyAnswer, second: wire.Piece) -> wire.Piece:
    assert isinstance(first, wire.Piece)
    one, two = first.delta, second.delta
    delta = Delta(
        text=one.text + two.text,
        reasoning=one.reasoning + two.reasoning,
        tool_calls=joined_calls((*one.tool_calls, *two.tool_calls)),
        index=one.index,
    )
    return wire.Piece(id=second.id, delta=delta)


def _frame(answer: wire.AnyAnswer) -> bytes:
    try:
        return pack(answer)
    except WireError as error:  # too large: its ask must still get an end
        return pack(wire.Refused(id=answer.id, failed=failed(error)))
