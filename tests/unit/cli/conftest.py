"""Benches for command lines, each with a home of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import ServingEdge


@pytest.fixture
def bench(edgellm_home: Path) -> Bench:
    return Bench(environment={"EDGELLM_HOME": str(edgellm_home), "TERM": "xterm", "COLUMNS": "80"})


@pytest.fixture
def real(edgellm_home: Path) -> Iterator[EdgeLLM]:
    """A real EdgeLLM; its store is made when it is first used."""
    with EdgeLLM(home=edgellm_home, settings=Settings()) as made:
        yield made


@pytest.fixture
def serving(bench: Bench, real: EdgeLLM) -> Bench:
    """A bench whose keys, aliases, usage and audit log are those of `real`."""
    bench.edge = ServingEdge(real)
    return bench
