"""`kill -9` while files are put: the collection stays whole, and shows whole files only."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgellm.retrieval.collection import Collection
from edgellm.retrieval.search import search
from tests.unit.retrieval.library import IDENTITY, OTHER, add, vectors

WRITER = """
import itertools, os, sys
from pathlib import Path
from edgellm.retrieval.collection import Collection
from tests.unit.retrieval.library import add

with Collection.open(Path(sys.argv[1])) as collection:
    for number in itertools.count(int(sys.argv[2])):
        passages = [f"run {number} passage {place}" for place in range(1 + number % 40)]
        add(collection, f"file {number % 25}", *passages, seed=number)
        os.write(1, f"{number}\\n".encode())  # the acknowledgement: one atomic write
        if number % 7 == 0:
            collection.remove([f"file {(number + 3) % 25}"])
"""

EMBEDDER = """
import os, sys
from pathlib import Path
from edgellm.retrieval.collection import Collection
from tests.unit.retrieval.library import OTHER, vectors

with Collection.open(Path(sys.argv[1])) as collection:
    again = collection.reembed(OTHER)
    os.write(1, b"begun\\n")
    for name in again.pending():
        stored = collection.chunks_of(name)
        again.put(stored, vectors(len(stored), 0, OTHER.dimensions))
        os.write(1, b"put\\n")
    again.finish()
"""
FILES = 12


def kill_once(path: Path, number: int, delay_s: float) -> int:
    """Let a process write files for a while, then kill it. Returns: the last number that it acknowledged."""
    command = [sys.executable, "-c", WRITER, str(path), str(number)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout
    first = process.stdout.readline()
    time.sleep(delay_s)
    process.kill()
    rest = process.stdout.read().splitlines()
    process.wait()
    process.stdout.close()
    return int((rest or [first])[-1])


def check(path: Path, before: Mapping[str, int], first: int, acknowledged: int) -> dict[str, int]:
    """Raise when a file is there in part, or what was acknowledged is lost. Returns: each file's run."""
    with Collection.open(path) as collection:
        assert collection._database.read("PRAGMA integrity_check") == [("ok",)]
        assert collection.verify() == []
        found: dict[str, int] = {}
        for stored in collection.files():
            texts = [one.chunk.text.split() for one in collection.chunks_of(stored.file.name)]
            run = int(texts[0][1])
            assert texts == [["run", str(run), "passage", str(place)] for place in range(1 + run % 40)]
            found[stored.file.name] = run
    assert found in possible(before, first, acknowledged)
    return found


def possible(before: Mapping[str, int], first: int, acknowledged: int) -> list[dict[str, int]]:
    """What may be there: the last acknowledged file, what is removed behind it, and the one that was on its way."""
    states, runs = [], dict(before)
    for number in range(first, acknowledged + 2):
        runs = runs | {f"file {number % 25}": number}
        states.append(runs)
        if number % 7 == 0:
            runs = {name: run for name, run in runs.items() if name != f"file {(number + 3) % 25}"}
            states.append(runs)
    last = next(at for at, state in enumerate(states) if state.get(f"file {acknowledged % 25}") == acknowledged)
    return states[last:]


@pytest.mark.parametrize("rounds", [5, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_a_killed_writer_leaves_whole_files(tmp_path: Path, rounds: int) -> None:
    path, dice, number = tmp_path / "c.sqlite", random.Random(rounds), 0
    Collection.create(path, IDENTITY).close()
    found: dict[str, int] = {}
    for _ in range(rounds):
        acknowledged = kill_once(path, number, dice.uniform(0.0, 0.3))
        found = check(path, found, number, acknowledged)
        number = acknowledged + 1


def pending(path: Path) -> int:
    """How many files are still to be embedded again. Raises when the collection is not whole, or finds nothing."""
    with Collection.open(path) as collection:
        assert collection._database.read("PRAGMA integrity_check") == [("ok",)]
        assert collection.verify() == []
        assert search(collection, "passage", vectors(1, 0, collection.identity.dimensions)[0])
        return len(collection.reembed(OTHER).pending()) if collection.identity == IDENTITY else 0


def test_embedding_again_that_is_killed_leaves_the_old_vectors_and_goes_on(tmp_path: Path) -> None:
    path, dice, left = tmp_path / "c.sqlite", random.Random(0), FILES
    with Collection.create(path, IDENTITY) as collection:
        for number in range(FILES):
            add(collection, f"file {number}", f"passage of {number}")
    while left:
        process = subprocess.Popen([sys.executable, "-c", EMBEDDER, str(path)], stdout=subprocess.PIPE)
        assert process.stdout
        said = [process.stdout.readline() for _ in range(2)]
        time.sleep(dice.uniform(0.0, 0.05))
        process.kill()
        said += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        before, left = left, pending(path)
        assert left <= before - said.count(b"put\n")
    with Collection.open(path) as collection:
        if collection.identity == IDENTITY:
            assert collection.reembed(OTHER).finish() == []
        assert collection.identity == OTHER
