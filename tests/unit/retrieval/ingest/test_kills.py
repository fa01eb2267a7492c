"""`kill -9` at any moment of a run over a folder: whole files only, and the next run goes on where it ended."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgellm.errors import CollectionNotFound
from edgellm.paths import home_from
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.search import search
from edgellm.retrieval.shelf import CollectionShelf

FILES, MOST_PARAGRAPHS = 36, 20
RUN = """
import os, sys
from pathlib import Path
from edgellm.events import Started
from edgellm.paths import home_from
from edgellm.retrieval.collection import Collection
from edgellm.retrieval.ingest.ingest import Ingest
from edgellm.retrieval.shelf import CollectionShelf
from tests.unit.retrieval.fakes import QuickEmbedder

def say(event):
    if isinstance(event, Started) and event.total is not None:
        os.write(1, f"reads {event.total}\\n".encode())

def told(collection, file, *parts):
    put(collection, file, *parts)
    os.write(1, f"{file.sha256} {Path(file.name).name}\\n".encode())  # the acknowledgement: one atomic write

put, Collection.put = Collection.put, told
shelf = CollectionShelf(home_from({"EDGELLM_HOME": sys.argv[1]}))
os.write(1, b"ready\\n")
sys.stdin.readline()
with shelf.locked("c"), shelf.open_or_create("c", lambda: QuickEmbedder.identity) as collection:
    Ingest(collection, QuickEmbedder, say).run([Path(sys.argv[2])], sync=True)
"""


class Folder:
    """Files that change between runs."""

    def __init__(self, path: Path, dice: random.Random) -> None:
        self.path, self._dice = path, dice
        path.mkdir()
        self.now: dict[str, str] = {}
        """The hash of each file as it is now, by name."""
        for number in range(FILES):
            self._write(f"{number}.{'csv' if number % 3 else 'txt'}")

    def change(self) -> None:
        """Write a third of the files anew; take one away, or put one there that was taken away."""
        for name in self._dice.sample(sorted(self.now), FILES // 3):
            self._write(name)
        name = f"{self._dice.randrange(FILES)}.txt"
        if self.now.pop(name, None):
            (self.path / name).unlink()
        else:
            self._write(name)

    def _write(self, name: str) -> None:
        parts = [
            f"{name},{self._dice.getrandbits(40)},{'word ' * self._dice.randrange(30)}"
            for _ in range(self._dice.randrange(2, MOST_PARAGRAPHS))
        ]
        text = ("\n" if name.endswith("csv") else "\n\n").join(parts)
        (self.path / name).write_text(text)
        self.now[name] = hashlib.sha256(text.encode()).hexdigest()


def begun(home: Path, folder: Folder) -> subprocess.Popen[bytes]:
    """A process that loads what it needs, and then waits for a line before it reads the folder."""
    command = [sys.executable, "-c", RUN, str(home), str(folder.path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def loaded(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """The process, once it waits."""
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    return process


def said(process: subprocess.Popen[bytes], *, lines: int = 0, then_s: float | None = None) -> list[list[str]]:
    """Let it run, and kill it so many seconds after so many of its lines; None: never. Returns: what it said."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"\n")
    process.stdin.flush()
    found = [process.stdout.readline() for _ in range(lines)]
    if then_s is not None:
        time.sleep(then_s)
        process.kill()
    found += process.stdout.readlines()
    process.stdin.close()
    process.stdout.close()
    assert process.wait(60) in ((0,) if then_s is None else (0, -signal.SIGKILL))
    return [line.decode().split() for line in found if line]


def whole_files(home: Path) -> dict[str, str]:
    """The hash of each file of the collection, by name. Raises: AssertionError where one is there in part."""
    try:
        opened = CollectionShelf(home_from({"EDGELLM_HOME": str(home)})).open("c")
    except CollectionNotFound:  # killed before there was one
        return {}
    with opened as collection:
        assert collection.verify() == []
        with collection.view() as view:
            assert view.execute("PRAGMA integrity_check") == [("ok",)]
            rows = [("chunks", "id"), ("words_docsize", "id"), (view.space.vectors, "chunk")]
            for first, count in view.execute("SELECT first_chunk, chunk_count FROM files"):
                for table, column in rows:
                    counted = f"SELECT count(*) FROM {table} WHERE {column} >= ? AND {column} < ?"
                    assert view.execute(counted, (first, first + count)) == [(count,)], table
        assert {each.status for each in collection.files()} <= {"ready"}
        return {Path(each.file.name).name: each.file.sha256 for each in collection.files()}


def content(home: Path) -> dict[str, object]:
    """Everything that can be found in the collection, without ids."""
    with CollectionShelf(home_from({"EDGELLM_HOME": str(home)})).open("c") as collection:
        found: dict[str, object] = {each.file.name: _file(collection, each.file.name) for each in collection.files()}
        hits = search(collection, "word", None, mode="words", limit=1000)
        return found | {"word": sorted((hit.file, hit.start, round(hit.score, 9)) for hit in hits)}


def _file(collection: Collection, name: str) -> object:
    chunks = collection.chunks_of(name)
    with collection.view() as view:
        read = f"SELECT vector FROM {view.space.vectors} WHERE chunk >= ? AND chunk <= ? ORDER BY chunk"
        vectors = view.execute(read, (chunks[0].id, chunks[-1].id))
    return collection.text(name), [each.chunk for each in chunks], vectors


def number_missing(found: Mapping[str, str], wanted: Mapping[str, str]) -> int:
    """Files that the next run has to read."""
    return sum(found.get(name) != sha256 for name, sha256 in wanted.items())


def check_goes_on(heard: list[list[str]], missing: int) -> None:
    """Raise when a run reads what an earlier one has read, or leaves out what none has."""
    assert [number for word, number in heard if word == "reads"] in ([], [str(missing)])


def check_kept(heard: list[list[str]], before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Raise when something is lost that was there before and still should be, or that was acknowledged."""
    acknowledged = {name: sha256 for sha256, name in heard if sha256 != "reads"}
    assert (dict(before) | acknowledged).items() <= after.items()


@pytest.mark.parametrize("rounds", [5, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_a_killed_run_leaves_whole_files_and_the_next_goes_on(tmp_path: Path, rounds: int) -> None:
    dice = random.Random(rounds)
    folder, home = Folder(tmp_path / "docs", dice), tmp_path / "home"
    whole, waiting = loaded(begun(tmp_path / "measured", folder)), begun(home, folder)
    began = time.monotonic()
    said(whole)
    whole_s = time.monotonic() - began
    found, kills = dict[str, str](), 0
    while kills < rounds:
        process, waiting = loaded(waiting), begun(home, folder)
        missing = number_missing(found, folder.now)
        if dice.random() < 0.5 or not missing:
            heard = said(process, then_s=dice.uniform(0, whole_s))
        else:  # behind any of the files, while the next one is written
            heard = said(process, lines=dice.randint(1, missing), then_s=dice.uniform(0, 0.004))
        kills += process.returncode == -signal.SIGKILL
        check_goes_on(heard, missing)
        before, found = found, whole_files(home)
        assert found.items() <= before.items() | folder.now.items()
        check_kept(heard, dict(before.items() & folder.now.items()), found)
        folder.change()
    check_goes_on(said(loaded(waiting)), number_missing(found, folder.now))
    assert whole_files(home) == folder.now
    said(loaded(begun(tmp_path / "never killed", folder)))
    assert content(home) == content(tmp_path / "never killed")
