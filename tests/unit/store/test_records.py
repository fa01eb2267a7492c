"""Job rows, ids and titles."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import InvalidInput, NotFound
from edgellm.store import JobState, Store, title_from
from edgellm.store.db import Database
from edgellm.store.ids import new_id


def test_a_job_moves_forward_only(store: Store) -> None:
    job = store.jobs.create("selftest", "Count", {"steps": 3})
    assert (job.state, job.arguments, job.is_active) == (JobState.QUEUED, {"steps": 3}, True)
    store.jobs.set_process(job.id, 123, 5.5)
    assert store.jobs.begin(job.id)
    assert not store.jobs.begin(job.id)
    assert store.jobs.end(job.id, JobState.FINISHED, result={"n": 1})
    assert not store.jobs.end(job.id, JobState.FAILED, error="X", message="too late")
    found = store.jobs.get(job.id)
    assert (found.state, found.result, found.error, found.pid, found.pid_started_at) == (
        JobState.FINISHED,
        {"n": 1},
        None,
        123,
        5.5,
    )
    assert not store.jobs.requeue(job.id)


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
def test_a_job_that_broke_off_can_be_queued_again(store: Store, state: JobState) -> None:
    job = store.jobs.create("selftest", "Count", {})
    store.jobs.set_process(job.id, 1, 2.0)
    store.jobs.end(job.id, state, error="E", message="m")
    assert store.jobs.requeue(job.id)
    again = store.jobs.get(job.id)
    assert (again.state, again.pid, again.error, again.message) == (JobState.QUEUED, None, None, None)


def test_jobs_are_listed_newest_first_and_missing_ones_named(store: Store) -> None:
    ids = [store.jobs.create("selftest", str(number), {}).id for number in range(3)]
    assert [job.id for job in store.jobs.list()] == ids[::-1]
    assert [job.id for job in store.jobs.list(limit=1, offset=1)] == [ids[1]]
    with pytest.raises(NotFound, match="'nope'"):
        store.jobs.get("nope")
    with pytest.raises(InvalidInput, match="arguments"):
        store.jobs.create("selftest", "x", {"a": {1, 2}.__iter__()})


def test_ids_are_unique_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(2000)]
    assert len(set(ids)) == len(ids)
    time.sleep(0.001)
    assert all(new_id() > earlier for earlier in ids)
    assert {len(one) for one in ids} == {26}
    assert all(one.isalnum() and one.islower() for one in ids)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("What is a river?", "What is a river?"),
        ("\n\n  # Heading  \nbody", "Heading"),
        ("- **bold** item", "bold** item"),
        ("", ""),
        ("```\n---\n", ""),
        ("one   two\tthree", "one two three"),
        ("Explain how the Nile shaped the history of Egypt, please", "Explain how the Nile shaped the history of…"),
        ("x" * 100, "x" * 47 + "…"),
        ("नमस्ते दुनिया", "नमस्ते दुनिया"),
    ],
)
def test_titles(text: str, title: str) -> None:
    assert title_from(text) == title


@given(st.text(), st.integers(4, 60))
def test_titles_are_short_and_on_one_line(text: str, limit: int) -> None:
    title = title_from(text, limit)
    assert len(title) <= limit
    assert len(title.splitlines()) <= 1


def test_clock_is_used_for_every_time(tmp_path: Path) -> None:
    clock: Callable[[], float] = lambda: 42.0  # noqa: E731
    with Store(Database(tmp_path / "x.db", clock=clock)) as store:
        session = store.sessions.create()
        message = store.sessions.append(session.id, "user", "x")
        job = store.jobs.create("selftest", "x", {})
        assert {session.created_at, session.updated_at, message.created_at, job.created_at, job.updated_at} == {42.0}
