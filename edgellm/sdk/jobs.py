"""Long work that outlives the face that started it: start, follow, cancel, resume."""

from __future__ import annotations

import builtins
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psutil

from edgellm.errors import InvalidInput, JobError
from edgellm.events import FINAL, Cancelled, Failed, Finished, JobEvent
from edgellm.paths import PRIVATE_FILE, Home
from edgellm.sdk.job_log import JobLog
from edgellm.sdk.job_runner import KINDS, runner_arguments
from edgellm.store import JobState, Store, StoredJob

POLL_S = 0.1
START_GRACE_S = 30.0
"""A queued job without a process is given up after this time: the face died before it started one."""
CANCEL_GRACE_S = 5.0
TRAIN_CANCEL_GRACE_S = 120.0
"""A training run ends its step and writes a checkpoint, or what it learnt since the last one would be lost."""
_CLOCK_SLACK_S = 2.0  # a process's start time moves with corrections of the system clock


class Jobs:
    """Every job is a row in the store and a process of its own.

    Errors: NotFound, InvalidInput, JobError, StoreError.
    """

    def __init__(self, home: Home, store: Callable[[], Store]) -> None:
        self._home = home
        self._store = store

    def start(self, kind: str, title: str, arguments: Mapping[str, Any]) -> StoredJob:
        """Begin a work in a process that goes on when this one ends.

        `arguments` are JSON values, as the kind's function in `job_runner` takes them; no secrets, they are stored.
        """
        if kind not in KINDS:
            message = f"There is no job kind {kind!r}."
            raise InvalidInput(message, hint=f"Known: {', '.join(sorted(KINDS))}.", field="kind")
        job = self._store().jobs.create(kind, title, arguments)
        self._launch(job.id)
        return self._store().jobs.get(job.id)

    def get(self, job_id: str) -> StoredJob:
        """One job as it stands; one whose process has vanished is reported as failed."""
        return self._settled(self._store().jobs.get(job_id))

    def list(self, limit: int = 50, offset: int = 0) -> builtins.list[StoredJob]:
        """Jobs, newest first."""
        return [self._settled(job) for job in self._store().jobs.list(limit, offset)]

    def latest(self, job_id: str) -> JobEvent | None:
        """The newest event of a job; None before its first."""
        self._store().jobs.get(job_id)
        return JobLog(self._home, job_id).latest()

    def events(self, job_id: str) -> builtins.list[JobEvent]:
        """What the job's current attempt said so far, oldest first."""
        self._store().jobs.get(job_id)
        return JobLog(self._home, job_id).read()[0]

    def follow(self, job_id: str, poll_s: float = POLL_S) -> Iterator[JobEvent]:
        """All events of the job's current attempt, past and coming; the last one is always a final one.

        Blocks between events. Leaving the iteration does not touch the job.
        """
        log, offset = JobLog(self._home, job_id), 0
        while True:
            job = self.get(job_id)  # before reading: what an ended process wrote is complete then
            events, offset = log.read(offset)
            for event in events:
                yield event
                if isinstance(event, FINAL):
                    return
            if not job.is_active:
                yield _ending(job)
                return
            time.sleep(poll_s)

    def cancel(self, job_id: str, grace_s: float | None = None) -> StoredJob:
        """Stop a job: politely first, by force after `grace_s`. A job that has ended stays as it is."""
        job = self.get(job_id)
        if grace_s is None:
            grace_s = TRAIN_CANCEL_GRACE_S if job.kind in ("train", "pretrain", "improve") else CANCEL_GRACE_S
        if not job.is_active:
            return job
        JobLog(self._home, job_id).request_cancel()
        process = _process_of(job)
        if process is not None:
            _stop(process, grace_s)
        self._end(job_id, JobState.CANCELLED, Cancelled())
        return self.get(job_id)

    def resume(self, job_id: str) -> StoredJob:
        """Start a failed or cancelled job again; what its kind has kept (a partial download) is used."""
        job = self.get(job_id)
        if not self._store().jobs.requeue(job_id):
            raise JobError(f"Job {job_id!r} cannot be resumed: it is {job.state}.", state=str(job.state))
        self._launch(job_id)
        return self._store().jobs.get(job_id)

    def _launch(self, job_id: str) -> None:
        log = JobLog(self._home, job_id)
        try:
            log.begin_attempt()
            process = _spawn(log, runner_arguments(self._home, job_id))
        except OSError as error:
            message = f"The process of job {job_id!r} could not be started: {error.strerror}."
            self._store().jobs.end(job_id, JobState.FAILED, error=JobError.__name__, message=message)
            raise JobError(message, id=job_id) from error
        with suppress(psutil.NoSuchProcess):  # ended already: the runner itself has noted how
            self._store().jobs.set_process(job_id, process.pid, psutil.Process(process.pid).create_time())
        threading.Thread(target=process.wait, name=f"job {job_id}", daemon=True).start()  # leaves no zombie

    def _settled(self, job: StoredJob) -> StoredJob:
        """The job, after its end was noted if its process vanished without doing so."""
        if not job.is_active or _process_of(job) is not None:
            return job
        if job.pid is None and time.time() - job.updated_at < START_GRACE_S:
            return job
        log = JobLog(self._home, job.id)
        if log.is_cancel_requested:
            self._end(job.id, JobState.CANCELLED, Cancelled())
        else:
            reason = log.last_words() or "its process ended without a word."
            self._end(job.id, JobState.FAILED, Failed(error=JobError.__name__, message=f"The work broke off: {reason}"))
        return self._store().jobs.get(job.id)

    def _end(self, job_id: str, state: JobState, event: Failed | Cancelled) -> None:
        error, message = (event.error, event.message) if isinstance(event, Failed) else (None, None)
        if self._store().jobs.end(job_id, state, error=error, message=message):
            JobLog(self._home, job_id).write(event)


def _spawn(log: JobLog, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    errors = os.open(log.errors, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "edgellm.sdk.job_runner", *arguments],
            cwd=log.folder,  # never a folder from which a stranger's module could be imported
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )
    finally:
        os.close(errors)


def _process_of(job: StoredJob) -> psutil.Process | None:
    """The running process that does the job; None when it is gone, also when its number was given to another."""
    if not job.is_active or job.pid is None or job.pid_started_at is None:
        return None
    try:
        process = psutil.Process(job.pid)
        is_same = abs(process.create_time() - job.pid_started_at) < _CLOCK_SLACK_S
    except psutil.NoSuchProcess:
        return None
    return process if is_same and _is_alive(process) else None


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _stop(process: psutil.Process, grace_s: float) -> None:
    """End the runner: a signal it can answer, then, after the grace, one that takes its children along.

    The runner leads a session of its own, so its process group is exactly what it started.
    """
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        process.send_signal(signal.SIGTERM)
        if not _ends_within(process, grace_s):
            os.killpg(process.pid, signal.SIGKILL)
            _ends_within(process, grace_s)


def _ends_within(process: psutil.Process, limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while _is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _ending(job: StoredJob) -> JobEvent:
    """The final event of a job whose log lacks it: its process died between the row and the line."""
    if job.state is JobState.FINISHED:
        return Finished(result=dict(job.result or {}))
    if job.state is JobState.CANCELLED:
        return Cancelled()
    return Failed(error=job.error or JobError.__name__, message=job.message or "")
