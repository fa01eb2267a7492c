"""An empty collection in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.retrieval.collection import Collection
from tests.unit.retrieval.library import IDENTITY


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.create(tmp_path / "c" / "notes.sqlite", IDENTITY) as made:
        yield made
