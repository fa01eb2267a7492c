"""A job's folder: its events as JSON lines, and what its process wrote to standard error."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgellm.errors import DiskFull, JobError
from edgellm.events import JobEvent, decode, encode
from edgellm.paths import PRIVATE_FILE, Home, private_dir

_TAIL_BYTES = 16 * 1024
_TAIL_LINES = 5


class JobLog:
    """Appended to by one process, read by any."""

    def __init__(self, home: Home, job_id: str) -> None:
        self.folder = home.jobs / job_id
        self.events = self.folder / "events.jsonl"
        self.errors = self.folder / "stderr.log"
        self._cancel = self.folder / "cancel"

    def write(self, event: JobEvent) -> None:
        """Append one event, stamped with the time. Raises: DiskFull; no half line stays behind."""
        line = encode(msgspec.structs.replace(event, at=time.time()))
        private_dir(self.folder)
        descriptor = os.open(self.events, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE)
        try:
            size = os.fstat(descriptor).st_size
            if os.write(descriptor, line) < len(line):
                os.ftruncate(descriptor, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            message = f"There is no space left for {self.events}."
            raise DiskFull(message, hint="Free some.", path=str(self.events)) from error
        finally:
            os.close(descriptor)

    def read(self, offset: int = 0) -> tuple[list[JobEvent], int]:
        """Complete events from byte `offset` on, and where the next one will begin. Raises: JobError."""
        try:
            with self.events.open("rb") as file:
                file.seek(offset)
                data = file.read()
        except FileNotFoundError:
            return [], offset
        complete = data[: data.rfind(b"\n") + 1]
        return [self._decoded(line) for line in complete.splitlines()], offset + len(complete)

    def _decoded(self, line: bytes) -> JobEvent:
        try:
            return decode(line)
        except msgspec.DecodeError as error:
            raise JobError(f"{self.events} holds a line that is no event: {error}.", path=str(self.events)) from error

    def latest(self) -> JobEvent | None:
        """The newest event; only the end of the log is read, which grows by ten lines a second."""
        try:
            tail = _end_of(self.events)
        except FileNotFoundError:
            return None
        first, last = tail.find(b"\n"), tail.rfind(b"\n")
        if first == last:  # the log is short, or one line is very long
            events, _ = self.read()
            return events[-1] if events else None
        return self._decoded(tail[tail.rfind(b"\n", 0, last) + 1 : last])

    def request_cancel(self) -> None:
        """Note that whatever ends the process from now on, the user wanted it to end."""
        private_dir(self.folder)
        self._cancel.touch(PRIVATE_FILE)

    @property
    def is_cancel_requested(self) -> bool:
        """Whether the user asked the current attempt to end."""
        return self._cancel.exists()

    def begin_attempt(self) -> None:
        """Make the folder, and set the events of an earlier attempt aside."""
        private_dir(self.folder)
        self._cancel.unlink(missing_ok=True)
        if self.events.exists():
            os.replace(self.events, next(path for path in self._old_names() if not path.exists()))

    def last_words(self) -> str:
        """The last lines on standard error; empty when there are none."""
        try:
            text = _end_of(self.errors).decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.strip().splitlines()[-_TAIL_LINES:])

    def _old_names(self) -> Iterator[Path]:
        attempt = 1
        while True:
            yield self.folder / f"events.{attempt}.jsonl"
            attempt += 1


def _end_of(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        return file.read()
