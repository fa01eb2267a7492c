"""Rows of long work: what was asked, which process does it, how it ended."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from edgellm.errors import NotFound
from edgellm.store.db import Database, Row
from edgellm.store.ids import new_id
from edgellm.store.records import ACTIVE, JobState, StoredJob, from_json, storable, to_json

_JOB = """SELECT id, kind, title, arguments, state, pid, pid_started_at, error, message, result, created_at, updated_at
    FROM jobs"""
_ACTIVE = tuple(ACTIVE)


class JobTable:
    """A job's state only moves forward: every change names the states it may start from.

    So when a face, a runner and a second face end the same job at once, exactly one of them does.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, kind: str, title: str, arguments: Mapping[str, Any]) -> StoredJob:
        """A new queued job. Raises: InvalidInput when the arguments are no JSON values."""
        job_id, now = new_id(), self._database.clock()
        values = (job_id, kind, storable(title), to_json(arguments, "arguments"), JobState.QUEUED.value, now, now)
        sql = (
            "INSERT INTO jobs (id, kind, title, arguments, state, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        with self._database.write() as execute:
            execute(sql, values)
        return self.get(job_id)

    def get(self, job_id: str) -> StoredJob:
        """One job. Raises: NotFound."""
        rows = self._database.read(f"{_JOB} WHERE id = ?", (storable(job_id),))
        if not rows:
            raise NotFound(f"There is no job {job_id!r}.", hint="edgellm jobs list shows them.", id=job_id)
        return _job(rows[0])

    def list(self, limit: int = 50, offset: int = 0) -> builtins.list[StoredJob]:
        """Jobs, newest first."""
        return [
            _job(row) for row in self._database.read(f"{_JOB} ORDER BY number DESC LIMIT ? OFFSET ?", (limit, offset))
        ]

    def set_process(self, job_id: str, pid: int, started_at: float) -> None:
        """Note which process works on it."""
        sql = "UPDATE jobs SET pid = ?, pid_started_at = ? WHERE id = ?"
        with self._database.write() as execute:
            execute(sql, (pid, started_at, job_id))

    def begin(self, job_id: str) -> bool:
        """Queued to running; False when somebody else was first."""
        return self._move(job_id, (JobState.QUEUED,), {"state": JobState.RUNNING})

    def end(
        self,
        job_id: str,
        state: JobState,
        *,
        error: str | None = None,
        message: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> bool:
        """Active to ended; False when it had ended before."""
        text = None if message is None else storable(message)
        return self._move(
            job_id, _ACTIVE, {"state": state, "error": error, "message": text, "result": to_json(result, "result")}
        )

    def requeue(self, job_id: str) -> bool:
        """Failed or cancelled to queued, without a process; False in every other state."""
        blank = dict.fromkeys(("pid", "pid_started_at", "error", "message", "result"))
        return self._move(job_id, (JobState.FAILED, JobState.CANCELLED), {"state": JobState.QUEUED, **blank})

    def _move(self, job_id: str, allowed: tuple[JobState, ...], values: Mapping[str, object]) -> bool:
        assignments = "".join(f"{column} = ?, " for column in values)
        places = ", ".join("?" * len(allowed))
        sql = f"UPDATE jobs SET {assignments}updated_at = ? WHERE id = ? AND state IN ({places}) RETURNING id"
        parameters = (*(_plain(value) for value in values.values()), self._database.clock(), job_id)
        with self._database.write() as execute:
            return bool(execute(sql, (*parameters, *(state.value for state in allowed))))


def _plain(value: object) -> object:
    return value.value if isinstance(value, JobState) else value


def _job(row: Row) -> StoredJob:
    return StoredJob(
        id=row[0],
        kind=row[1],
        title=row[2],
        arguments=from_json(row[3], dict) or {},
        state=JobState(row[4]),
        pid=row[5],
        pid_started_at=row[6],
        error=row[7],
        message=row[8],
        result=from_json(row[9], dict),
        created_at=row[10],
        updated_at=row[11],
    )
