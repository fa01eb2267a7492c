"""Jobs are processes of their own: they outlive their face, and whatever kills them, they end."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from edgellm.errors import DiskFull, InvalidInput, JobError, NotFound
from edgellm.events import Cancelled, Failed, Finished, JobEvent, Progressed, Started
from edgellm.paths import Home, home_from
from edgellm.sdk.job_log import JobLog
from edgellm.sdk.jobs import Jobs
from edgellm.store import JobState, Store, StoredJob, open_store

LONG = {"steps": 10_000, "step_s": 0.02}


@pytest.fixture
def home(edgellm_home: Path) -> Home:
    return home_from({"EDGELLM_HOME": str(edgellm_home)})


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with open_store(home.store) as store:
        yield store


@pytest.fixture
def jobs(home: Home, store: Store) -> Iterator[Jobs]:
    jobs = Jobs(home, lambda: store)
    yield jobs
    for job in jobs.list():
        jobs.cancel(job.id, grace_s=1)


def until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def running(jobs: Jobs) -> tuple[StoredJob, int]:
    """A long job that has begun to count, and its process."""
    job = jobs.start("selftest", "Count", LONG)
    until(lambda: isinstance(jobs.latest(job.id), Progressed))
    found = jobs.get(job.id)
    assert found.state is JobState.RUNNING
    assert found.pid is not None
    return found, found.pid


def test_a_job_runs_to_its_end(jobs: Jobs) -> None:
    job = jobs.start("selftest", "Count", {"steps": 3, "step_s": 0.01})
    events = list(jobs.follow(job.id))
    assert isinstance(events[0], Started)
    assert [event.done for event in events if isinstance(event, Progressed)] == [1, 2, 3]
    assert isinstance(events[-1], Finished)
    assert all(event.at > 1e9 for event in events)
    found = jobs.get(job.id)
    assert (found.state, found.result, found.title) == (JobState.FINISHED, {"steps": 3}, "Count")
    assert list(jobs.follow(job.id)) == events  # again, after the end
    assert jobs.cancel(job.id) == found


def test_a_jobs_files_are_private(jobs: Jobs, home: Home) -> None:
    before = os.umask(0)
    try:
        job = jobs.start("selftest", "Count", {"steps": 1, "step_s": 0})
        list(jobs.follow(job.id))
    finally:
        os.umask(before)
    folder = home.jobs / job.id
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {
        "events.jsonl": 0o600,
        "stderr.log": 0o600,
    }


def test_it_survives_the_face_that_started_it(jobs: Jobs, home: Home) -> None:
    face = f"""
import os, signal
from pathlib import Path
from edgellm.paths import home_from
from edgellm.sdk.jobs import Jobs
from edgellm.store import open_store
home = home_from({{"EDGELLM_HOME": {str(home.data.parent)!r}}})
store = open_store(home.store)
Jobs(home, lambda: store).start("selftest", "Count", {{"steps": 20, "step_s": 0.05}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", face], timeout=30).returncode == -signal.SIGKILL
    (job,) = jobs.list()
    assert isinstance(list(jobs.follow(job.id))[-1], Finished)


def test_cancel_ends_it_and_resume_starts_it_again(jobs: Jobs, home: Home) -> None:
    job, pid = running(jobs)
    began, *counted = jobs.events(job.id)  # without waiting for its end
    assert isinstance(began, Started)
    assert counted
    assert jobs.cancel(job.id).state is JobState.CANCELLED
    until(lambda: not psutil.pid_exists(pid))
    assert isinstance(list(jobs.follow(job.id))[-1], Cancelled)
    again = jobs.resume(job.id)
    assert again.is_active
    until(lambda: isinstance(jobs.latest(job.id), Progressed))
    first = next(jobs.follow(job.id))
    assert isinstance(first, Started)  # the earlier attempt's events are set aside
    assert (home.jobs / job.id / "events.1.jsonl").exists()
    with pytest.raises(JobError, match="running"):
        jobs.resume(job.id)


def test_a_deaf_process_is_killed(jobs: Jobs) -> None:
    job, pid = running(jobs)
    os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    assert jobs.cancel(job.id, grace_s=0.3).state is JobState.CANCELLED
    assert time.monotonic() - start < 30
    until(lambda: not psutil.pid_exists(pid))
    assert isinstance(list(jobs.follow(job.id))[-1], Cancelled)


def test_a_killed_process_is_a_failed_job_that_can_be_resumed(jobs: Jobs, home: Home) -> None:
    job, pid = running(jobs)
    (home.jobs / job.id / "stderr.log").write_text("lots of talk\nMemoryError: no more\n")
    following = jobs.follow(job.id)
    next(following)
    os.kill(pid, signal.SIGKILL)
    last = list(following)[-1]
    assert isinstance(last, Failed)
    assert "MemoryError: no more" in last.message
    found = jobs.get(job.id)
    assert (found.state, found.error) == (JobState.FAILED, "JobError")
    assert jobs.resume(job.id).is_active


def test_many_followers_see_one_ending(jobs: Jobs, home: Home, store: Store) -> None:
    job, pid = running(jobs)
    os.kill(pid, signal.SIGKILL)
    until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE if psutil.pid_exists(pid) else True)
    others = [Jobs(home, lambda: store) for _ in range(3)]
    assert {other.get(job.id).state for other in others} == {JobState.FAILED}
    events, _ = JobLog(home, job.id).read()
    assert sum(isinstance(event, Failed) for event in events) == 1


def test_a_reused_process_number_is_left_alone(jobs: Jobs, store: Store) -> None:
    job = store.jobs.create("selftest", "Count", {})
    store.jobs.set_process(job.id, os.getpid(), psutil.Process().create_time() - 1000)
    assert jobs.get(job.id).state is JobState.FAILED
    other = store.jobs.create("selftest", "Count", {})
    store.jobs.set_process(other.id, os.getpid(), psutil.Process().create_time() - 1000)
    jobs.cancel(other.id)  # we are still here


def test_a_job_that_never_got_a_process_is_given_up(jobs: Jobs, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = store.jobs.create("selftest", "Count", {})
    assert jobs.get(job.id).state is JobState.QUEUED
    monkeypatch.setattr("edgellm.sdk.jobs.START_GRACE_S", 0.0)
    assert jobs.get(job.id).state is JobState.FAILED
    assert isinstance(list(jobs.follow(job.id))[-1], Failed)


def test_work_that_raises_is_reported_by_type(jobs: Jobs, home: Home) -> None:
    job = jobs.start("pull", "Fetch nothing", {"reference": ""})
    last = list(jobs.follow(job.id))[-1]
    assert isinstance(last, Failed)
    assert last.error in {"InvalidInput", "ModelNotFound"}
    assert jobs.get(job.id).error == last.error
    refused = jobs.start("pull", "Fetch it", {"reference": "someone/some-model/some.gguf", "offline": True})
    last = list(jobs.follow(refused.id))[-1]
    assert isinstance(last, Failed)
    assert last.error == "OfflineRefused"
    broken = jobs.start("selftest", "Count", {"steps": "many"})
    last = list(jobs.follow(broken.id))[-1]
    assert isinstance(last, Failed)
    assert (last.error, "many" in last.message) == ("ValueError", True)
    assert "Traceback" in (home.jobs / broken.id / "stderr.log").read_text()


def test_a_job_that_cannot_start_has_failed(jobs: Jobs, home: Home) -> None:
    home.data.mkdir(parents=True, exist_ok=True)
    home.jobs.write_text("a file where the folder should be")
    with pytest.raises(JobError, match="could not be started"):
        jobs.start("selftest", "Count", {})
    (job,) = jobs.list()
    assert (job.state, job.error) == (JobState.FAILED, "JobError")


def test_what_does_not_exist_is_named(jobs: Jobs) -> None:
    with pytest.raises(InvalidInput, match="'dance'") as caught:
        jobs.start("dance", "x", {})
    assert "selftest" in caught.value.hint
    for act in (jobs.get, jobs.latest, jobs.cancel, jobs.resume):
        with pytest.raises(NotFound, match="'nope'"):
            act("nope")
    with pytest.raises(NotFound):
        next(jobs.follow("nope"))
    assert jobs.list() == []


def test_the_log_gives_whole_lines_only(home: Home) -> None:
    log = JobLog(home, "x")
    log.begin_attempt()
    assert log.read() == ([], 0)
    log.write(Started(title="a"))
    with log.events.open("ab") as file:
        file.write(b'{"event":"progr')
    events, offset = log.read()
    assert [type(event) for event in events] == [Started]
    with log.events.open("ab") as file:
        file.write(b'essed","done":1}\n')
    more: list[JobEvent] = log.read(offset)[0]
    assert more == [Progressed(done=1)]
    with log.events.open("ab") as file:
        file.write(b'{"event":"danced"}\n')
    with pytest.raises(JobError, match="danced"):
        log.read()


def test_the_newest_event_is_found_at_the_end_of_a_long_log(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    log = JobLog(home, "x")
    assert log.latest() is None
    log.begin_attempt()
    log.write(Failed(error="E", message="long " * 10_000))
    assert isinstance(log.latest(), Failed)
    for number in range(1000):
        log.write(Progressed(done=number))
    with log.events.open("ab") as file:
        file.write(b'{"event":"progr')
    monkeypatch.setattr(log, "read", lambda: pytest.fail("the whole log was read"))
    newest = log.latest()
    assert isinstance(newest, Progressed)
    assert newest.done == 999


def test_a_full_disk_leaves_no_half_line(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    log = JobLog(home, "x")
    log.begin_attempt()
    log.write(Started(title="a"))
    real = os.write

    def refuse(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for write in (refuse, lambda descriptor, data: real(descriptor, data[:5])):
        monkeypatch.setattr(os, "write", write)
        with pytest.raises(DiskFull):
            log.write(Started(title="b"))
        monkeypatch.undo()
    log.write(Started(title="c"))
    assert [event.title for event in log.read()[0] if isinstance(event, Started)] == ["a", "c"]
