"""A bench for command lines, with a home of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.bench import Bench


@pytest.fixture
def bench(edgellm_home: Path) -> Bench:
    return Bench(environment={"EDGELLM_HOME": str(edgellm_home), "TERM": "xterm", "COLUMNS": "80"})
