"""The server that all clients talk to, and the table of what each of them proved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgellm.events import Finished
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.serving import Limits
from tests.clients.catalogue import Client
from tests.live.minilm import write_minilm

VARIABLE = "CLIENT_ENVIRONMENTS"
"""Folder of the clients' environments; `make test-clients` sets it. Without it these tests are not run."""
HANDBOOK = Path(__file__).resolve().parents[2] / "examples" / "ferry" / "handbook.md"


@dataclass(frozen=True)
class Address:
    """Where the server listens, and a key for it."""

    url: str
    key: str
    admin: str


@dataclass(frozen=True)
class Proof:
    """What one client showed."""

    client: Client
    version: str
    proved: tuple[str, ...]
    failed: tuple[str, ...]


PROOFS = pytest.StashKey[list[Proof]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PROOFS] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without environments nothing here can run; it is deselected, not reported as skipped."""
    if VARIABLE in os.environ:
        return
    here = [item for item in items if item.get_closest_marker("clients")]
    if here:
        config.hook.pytest_deselected(items=here)
        items[:] = [item for item in items if item not in here]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table for docs/clients.md."""
    proofs = config.stash[PROOFS]
    if not proofs:
        return
    terminalreporter.section("clients")
    terminalreporter.line("| client | version | what worked | what did not |")
    terminalreporter.line("|---|---|---|---|")
    for proof in proofs:
        cells = (proof.client.name, proof.version, ", ".join(proof.proved), "; ".join(proof.failed))
        terminalreporter.line(f"| {' | '.join(cells)} |")


@pytest.fixture(scope="session")
def proofs(pytestconfig: pytest.Config) -> list[Proof]:
    return pytestconfig.stash[PROOFS]


@pytest.fixture(scope="session")
def environments() -> Path:
    return Path(os.environ[VARIABLE])


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """The starter, an embedder, a collection and an alias; every request needs a key."""
    home, folder = tmp_path_factory.mktemp("serving"), tmp_path_factory.mktemp("embedder")
    with EdgeLLM(home=home) as edge:
        edge.models.add(write_minilm(folder), "minilm")
        job = edge.documents("ferry").add([HANDBOOK])
        assert isinstance(list(edge.jobs.follow(job.id))[-1], Finished)
        edge.aliases.set("helpdesk", "starter+ferry")
        key = edge.keys.create("clients", limits=Limits(collections=("ferry",))).secret
        admin = edge.keys.create("walker", role="admin").secret
    with running(home, "starter") as url:
        yield Address(url, key, admin)


class running:
    """`edgellm serve` with a home and a model, for a block; gives its address."""

    def __init__(self, home: Path, model: str) -> None:
        command = [sys.executable, "-m", "edgellm", "--home", str(home), "serve", "-m", model, "--port", "0", "--json"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> str:
        assert self._process.stdout is not None
        return str(json.loads(self._process.stdout.readline())["url"])

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            assert self._process.wait(20) == 0
        finally:
            self._process.kill()
            self._process.communicate()
