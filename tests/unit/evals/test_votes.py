"""Votes of a run: what was acknowledged is there, whatever happened to who wrote it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgellm.errors import DataRejected, DiskFull
from edgellm.evals.blind import Choice
from edgellm.evals.votes import VOTES, TakenBack, Vote, VoteFile

WRITER = """
import sys
from pathlib import Path
from edgellm.evals.votes import Vote, VoteFile
votes = VoteFile(Path(sys.argv[1]))
for number in range(100_000):
    votes.add(Vote(pair=str(number), suite="s", case_id="c", sample=0, left="a", right="b", choice="left",
                   judge="Ana", at=0.0))
    print(number, flush=True)
"""


def vote(pair: str, choice: Choice = "left", judge: str = "Ana", at: float = 0.0) -> Vote:
    return Vote(
        pair=pair, suite="s", case_id="c", sample=0, left="a", right="b", choice=choice, judge=judge, at=at, notes={}
    )


def test_the_last_word_of_a_person_on_a_pair_counts(tmp_path: Path) -> None:
    votes = VoteFile(tmp_path)
    assert votes.standing() == []
    for line in (vote("1"), vote("2"), vote("1", "right"), vote("1", "tie", judge="Ben")):
        votes.add(line)
    votes.add(TakenBack(pair="2", judge="Ana", at=1.0))
    votes.add(TakenBack(pair="2", judge="Ana", at=1.0))
    assert [(each.judge, each.pair, each.choice) for each in votes.standing()] == [
        ("Ana", "1", "right"),
        ("Ben", "1", "tie"),
    ]
    assert len((tmp_path / VOTES).read_bytes().splitlines()) == 6, "nothing is ever rewritten"
    assert (tmp_path / VOTES).stat().st_mode & 0o077 == 0


def test_values_follow_the_names_and_not_the_sides() -> None:
    assert [vote("1", "left").value(name) for name in ("a", "b")] == [1.0, 0.0]
    assert [vote("1", "right").value(name) for name in ("a", "b")] == [0.0, 1.0]
    assert vote("1", "both bad").value("a") == vote("1", "tie").value("b") == 0.5


def test_half_a_line_of_a_killed_writer_is_none(tmp_path: Path) -> None:
    votes = VoteFile(tmp_path)
    votes.add(vote("1"))
    with (tmp_path / VOTES).open("ab") as file:
        file.write(b'{"kind":"vote","pair":"2","su')
    assert [each.pair for each in votes.standing()] == ["1"]
    votes.add(vote("3"))
    assert [each.pair for each in votes.standing()] == ["1", "3"]


def test_kill_9_loses_no_vote_that_was_acknowledged(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(30)]
        os.kill(writer.pid, signal.SIGKILL)
        said += writer.stdout.read().splitlines()[:-1]  # the last one may be half a line
    kept = {each.pair for each in VoteFile(tmp_path).standing()}
    assert {line.strip() for line in said if line.strip()} <= kept
    assert len(kept) >= 30


def test_many_who_begin_at_once_get_one_seed(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(VoteFile(tmp_path).seed())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 8
    assert len(set(found)) == 1
    assert VoteFile(tmp_path).seed() == found[0]
    assert VoteFile(tmp_path / "other").seed() != found[0]


def test_a_damaged_seed_is_named(tmp_path: Path) -> None:
    (tmp_path / "votes-seed.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataRejected, match=r"votes-seed\.txt"):
        VoteFile(tmp_path).seed()
    (tmp_path / "votes-seed.txt").write_bytes(b"")
    with pytest.raises(DataRejected, match="no seed"):
        VoteFile(tmp_path).seed()


def test_a_full_disk_is_told_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    votes, real = VoteFile(tmp_path), os.write
    votes.add(vote("1"))
    monkeypatch.setattr("edgellm.line_file.os.write", lambda descriptor, line: real(descriptor, line[:9]))
    with pytest.raises(DiskFull):
        votes.add(vote("2"))
    monkeypatch.undo()
    assert (tmp_path / VOTES).read_bytes().count(b"\n") == 1
