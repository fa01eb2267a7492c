"""A store in a folder of its own, with a clock that moves one second a look."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.store import Store
from edgellm.store.db import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    ticks = itertools.count(1_700_000_000)
    database = Database(tmp_path / "edgellm.db", clock=lambda: float(next(ticks)))
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> Store:
    database.read("PRAGMA synchronous = OFF")  # thousands of transactions; what survives a crash is tested elsewhere
    return Store(database)
