"""A child process that owns native code: JSON lines in, JSON lines and raw bytes out, gone with its parent.

Training, export and judging call llama.cpp in such a child, so that a crash is an error and cancelling is a kill.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Self

from edgellm.errors import EdgeLLMError, WorkerDied, error_types

_TAIL_BYTES = 4096
_TAIL_LINES = 4
_READ_BYTES = 1024**2
_PATIENCE = {"GOMP_SPINCOUNT": "1000"}
"""How long a compute thread spins before it sleeps. Work in such a child shares the machine with a chat or with other
jobs, and OpenMP's default lets two spinning threads starve each other: measured beside two busy processes on two cores,
192 tokens of a 135M model took 28 s with the default and 1.8 s with this."""
Object = dict[str, Any]


class NativeChild:
    """The parent's side. Not thread-safe: one request is under way at a time."""

    def __init__(self, module: str, *arguments: str) -> None:
        """Start `python -m module arguments...`."""
        self._module = module
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the child
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_PATIENCE | os.environ,
        )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def send(self, request: Mapping[str, Any]) -> None:
        """Ask for something. Raises: WorkerDied."""
        try:
            self._stream(self._process.stdin).write(json.dumps(request).encode() + b"\n")
            self._stream(self._process.stdin).flush()
        except (BrokenPipeError, ConnectionResetError):
            raise self._died() from None

    def receive(self) -> Object:
        """The next line of an answer. Raises: WorkerDied, and what the child reported as an error."""
        line = self._stream(self._process.stdout).readline()
        if not line.endswith(b"\n"):
            raise self._died()
        answer: Object = json.loads(line)
        if "error" in answer:
            kind = error_types().get(answer["error"], EdgeLLMError)
            raise kind(answer["message"], hint=answer.get("hint", ""), **answer.get("facts", {}))
        return answer

    def receive_into(self, buffer: memoryview) -> None:
        """Fill a buffer with the raw bytes that follow a line. Raises: WorkerDied."""
        view = buffer.cast("B")
        while view:
            got = self._stream(self._process.stdout).readinto(view)  # type: ignore[attr-defined]
            if not got:
                raise self._died()
            view = view[got:]

    def close(self) -> None:
        """End the child at once; what it was doing is lost."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                _close(stream)
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _died(self) -> WorkerDied:
        code = self._process.wait()
        end = os.fstat(self._errors.fileno()).st_size
        start = max(0, end - _TAIL_BYTES)
        said = os.pread(self._errors.fileno(), end - start, start).decode("utf-8", "replace").splitlines()
        detail = " ".join(said[-_TAIL_LINES:])
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return WorkerDied(
            f"The process {self._module} {how}{f': {detail}' if detail else '.'}",
            hint="Out of memory and a damaged file are the usual causes.",
            exit_code=code,
            detail=detail,
        )

    @staticmethod
    def _stream(stream: IO[bytes] | None) -> IO[bytes]:
        assert stream is not None
        return stream


def _close(stream: IO[bytes]) -> None:
    with suppress(BrokenPipeError):  # it holds a request that the child never read
        stream.close()


class NativeHost:
    """The child's side: requests from the parent, answers to it. The process ends when the parent does."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)  # what a library prints must not get between the answers
        self._requests: queue.SimpleQueue[Object] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def requests(self) -> Iterator[Object]:
        """What the parent asks for, without end."""
        while True:
            yield self._requests.get()

    def answer(self, value: Mapping[str, Any], raw: memoryview | None = None) -> None:
        """One line, and the bytes that belong to it."""
        self._write(memoryview(json.dumps(value).encode() + b"\n"))
        if raw is not None:
            self._write(raw.cast("B"))

    def serve(self, handle: Callable[[Object], None]) -> None:
        """Handle requests one after the other; an error becomes the answer."""
        for request in self.requests():
            try:
                handle(request)
            except EdgeLLMError as error:
                facts = dict(error.facts)
                kind = type(error).__name__
                self.answer({"error": kind, "message": error.message, "hint": error.hint, "facts": facts})
            except Exception:  # the face of this process: its parent reports the last lines
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)  # threads and native code are left as they are

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            self._requests.put(json.loads(line))
        os._exit(0)  # the parent is gone; native code may be running, so nothing is cleaned up

    def _write(self, data: memoryview) -> None:
        while data:
            data = data[self._out.write(data[:_READ_BYTES]) :]
