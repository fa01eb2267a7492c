"""A consistent copy of a file that others use."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.errors import StoreDamaged, StoreError
from edgellm.store.copying import copy_database
from edgellm.store.db import STORE, Database


def test_what_was_committed_is_in_the_copy_and_nothing_else(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    try:
        with database.write() as execute:
            execute("CREATE TABLE said (word TEXT) STRICT")
            execute("INSERT INTO said VALUES ('first')")
        with database.write() as execute:
            execute("INSERT INTO said VALUES ('unfinished')")
            copy_database(tmp_path / "a.db", tmp_path / "copies" / "b.db", STORE)
    finally:
        database.close()
    assert [path.name for path in (tmp_path / "copies").iterdir()] == ["b.db"]
    assert (tmp_path / "copies" / "b.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "copies" / "b.db").read_bytes()[18:20] == b"\x01\x01"  # no write-ahead log belongs to it
    copy = Database(tmp_path / "copies" / "b.db")
    try:
        assert copy.read("SELECT word FROM said") == [("first",)]
    finally:
        copy.close()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"no database, and long enough to be looked at" * 50)
    with pytest.raises(StoreDamaged):
        copy_database(tmp_path / "a.db", tmp_path / "b.db", STORE)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    Database(tmp_path / "a.db").close()
    (tmp_path / "b.db").write_text("mine")
    with pytest.raises(StoreError):
        copy_database(tmp_path / "a.db", tmp_path / "b.db", STORE)
    assert (tmp_path / "b.db").read_text() == "mine"
