"""Draft sets on disk: what is kept survives, what is half-written does not count."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgellm.data.draft_checks import Refusal
from edgellm.data.draft_source import draft_source
from edgellm.data.drafts import (
    DECISIONS,
    DRAFT,
    FORMAT_VERSION,
    PASSAGES,
    Decision,
    Drafted,
    DraftedPassage,
    DraftInfo,
    DraftStore,
    Status,
)
from edgellm.data.rows import Example, Source
from edgellm.errors import DataRejected, DatasetNotFound, DiskFull, InvalidInput

INFO = DraftInfo(
    format_version=FORMAT_VERSION,
    name="ferry",
    created="2026-11-22T07:30:00+00:00",
    job="j1",
    model="starter",
    files=("handbook.md",),
    per_passage=3,
    judged_right=4,
    judged_of=8,
    counts_model=False,
)


def drafted(number: int, refused: Refusal | None = None) -> Drafted:
    return Drafted(
        id=f"p{number}",
        question=f"Question {number}?",
        answer=f"Answer {number}.",
        check=refused,
        model_says=None,
        refused=refused,
    )


def passage(number: int, pairs: Sequence[Drafted]) -> DraftedPassage:
    return DraftedPassage(
        id=f"passage {number}", title="T", text="x", source=Source("handbook.md", number), pairs=tuple(pairs)
    )


@pytest.fixture
def store(tmp_path: Path) -> DraftStore:
    made = DraftStore(tmp_path / "drafts")
    made.begin(INFO)
    made.keep("ferry", passage(5, [drafted(1), drafted(2, Refusal.NAME)]))
    made.keep("ferry", passage(9, [drafted(3)]))
    return made


def test_a_set_is_read_as_it_was_written(store: DraftStore) -> None:
    found = store.open("ferry")
    assert found.info == INFO
    assert [(pair.id, pair.passage.source.line, pair.status) for pair in found.pairs] == [
        ("p1", 5, "pending"), ("p2", 5, "pending"), ("p3", 9, "pending"),
    ]  # fmt: skip
    assert (found.counts.passages, found.counts.drafted, found.counts.supported) == (2, 3, 2)
    assert found.counts.refused == {Refusal.NAME: 1}
    assert found.counts.statuses == {"pending": 2, "accepted": 0, "edited": 0, "rejected": 0}


def test_the_last_decision_counts_and_pending_takes_it_back(store: DraftStore) -> None:
    store.decide("ferry", Decision(pair="p1", status=Status.EDITED, question="Q?", answer="A."))
    edited = store.open("ferry").pairs[0]
    assert (edited.status, edited.question, edited.answer) == ("edited", "Q?", "A.")
    store.decide("ferry", Decision(pair="p1", status=Status.PENDING))
    undone = store.open("ferry").pairs[0]
    assert (undone.status, undone.question) == ("pending", "Question 1?")


@pytest.mark.parametrize(
    ("decision", "field"),
    [
        (Decision(pair="p9", status=Status.ACCEPTED), "pair"),
        (Decision(pair="p1", status=Status.EDITED, question=" ", answer="A."), "question"),
        (Decision(pair="p1", status=Status.EDITED, question="Q?", answer="x" * 8_001), "answer"),
    ],
)
def test_a_decision_that_means_nothing_is_refused(store: DraftStore, decision: Decision, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.decide("ferry", decision)
    assert caught.value.facts["field"] == field
    assert not (store.folder("ferry") / DECISIONS).exists()


@pytest.mark.parametrize("file", [PASSAGES, DECISIONS])
def test_half_a_line_of_a_killed_writer_does_not_count_and_spoils_nothing(store: DraftStore, file: str) -> None:
    store.decide("ferry", Decision(pair="p1", status=Status.ACCEPTED))
    with (store.folder("ferry") / file).open("ab") as handle:
        handle.write(b'{"id":"passage 12","pair":"p3","status":"acc')
    assert store.open("ferry").counts.statuses[Status.ACCEPTED] == 1
    store.decide("ferry", Decision(pair="p3", status=Status.REJECTED))
    store.keep("ferry", passage(12, [drafted(4)]))
    after = store.open("ferry")
    assert [pair.status for pair in after.pairs] == ["accepted", "pending", "rejected", "pending"]


def test_decisions_before_a_kill_are_kept(store: DraftStore) -> None:
    """A process that decides without end is killed: every decision that it was told is kept is there."""
    code = (
        "import sys; from pathlib import Path\n"
        "from edgellm.data.drafts import *\n"
        "store = DraftStore(Path(sys.argv[1]))\n"
        "while True:\n"
        "    for status in (Status.ACCEPTED, Status.REJECTED):\n"
        "        store.decide('ferry', Decision(pair='p1', status=status)); print(status, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(store.home)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        told = [child.stdout.readline().decode().strip() for _ in range(5)]
        child.send_signal(signal.SIGKILL)
        told += [line.decode().strip() for line in child.stdout if line.endswith(b"\n")]
    lines = (store.folder("ferry") / DECISIONS).read_bytes().count(b"\n")
    assert lines >= len(told) >= 5
    assert store.open("ferry").pairs[0].status in ("accepted", "rejected")


def test_a_full_disk_is_told_and_leaves_no_half_line(store: DraftStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr("edgellm.line_file.os.write", lambda descriptor, line: real(descriptor, line[:7]))
    with pytest.raises(DiskFull):
        store.decide("ferry", Decision(pair="p1", status=Status.ACCEPTED))
    assert (store.folder("ferry") / DECISIONS).read_bytes() == b""


def test_another_error_of_the_disk_is_not_hidden(store: DraftStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("edgellm.line_file.os.fsync", broken)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        store.decide("ferry", Decision(pair="p1", status=Status.ACCEPTED))


def test_files_are_private(store: DraftStore) -> None:
    store.decide("ferry", Decision(pair="p1", status=Status.ACCEPTED))
    folder = store.folder("ferry")
    assert {(folder / name).stat().st_mode & 0o777 for name in (DRAFT, PASSAGES, DECISIONS)} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_names_are_checked_before_a_path_is_made_of_them(store: DraftStore) -> None:
    for name in ("../x", "", "a/b", ".hidden", "x" * 65):
        with pytest.raises(InvalidInput):
            store.open(name)
    with pytest.raises(DatasetNotFound, match="no drafts named 'other'"):
        store.open("other")
    with pytest.raises(InvalidInput, match="already"):
        store.check_vacant("ferry")
    assert store.names() == ["ferry"]


def test_a_damaged_description_is_named(store: DraftStore) -> None:
    (store.folder("ferry") / DRAFT).write_bytes(b"{}")
    with pytest.raises(DataRejected, match=r"draft\.json"):
        store.open("ferry")


def test_accepted_and_edited_pairs_are_examples_with_file_and_line(store: DraftStore) -> None:
    with pytest.raises(InvalidInput, match="None of the drafts 'ferry' is accepted; 2 of 2 wait") as caught:
        draft_source(store.home, "drafts:ferry")
    assert "edgellm data review ferry" in caught.value.hint
    store.decide("ferry", Decision(pair="p3", status=Status.EDITED, question="Q?", answer="A."))
    [example] = draft_source(store.home, "drafts:ferry").records()
    assert isinstance(example, Example)
    assert [message.content for message in example.messages] == ["Q?", "A."]
    assert example.source == Source("handbook.md", 9)
