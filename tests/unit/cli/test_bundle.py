"""`edgellm bundle`: sealed, shown and opened, for people and programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgellm import disk_space
from edgellm.hub.inspect import check_header
from edgellm.hub.installed import Library
from edgellm.paths import home_from
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.sdk.bundles import Bundles
from tests.ggufs import GGUF
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FakeEdge
from tests.unit.retrieval.library import IDENTITY, add


class Edge(FakeEdge):
    """The scripted SDK with real bundles."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.at = home_from({"EDGELLM_HOME": str(folder)})
        self.library = Library(self.at, check_header)
        self.bundles = Bundles(self.at, self.library)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)


def bench(folder: Path) -> Bench:
    return Bench(edge=Edge(folder), environment={"COLUMNS": "120"})


@pytest.fixture
def here(tmp_path: Path) -> Bench:
    """Where a model and a collection are."""
    made = bench(tmp_path / "here")
    assert isinstance(made.edge, Edge)
    made.edge.library.add(GGUF().write(tmp_path / "tiny.gguf"), "tiny")
    with CollectionShelf(made.edge.at).open_or_create("ferries", lambda: IDENTITY) as collection:
        add(collection, "/docs/fares.txt", "A ticket to Oban costs 12 pounds.")
    return made


def test_sealed_shown_and_opened(here: Bench, tmp_path: Path) -> None:
    out = tmp_path / "fares.bundle"
    assert here.run("bundle", "create", "fares", "-m", "tiny", "-c", "ferries", "-o", str(out)) == 0
    assert here.out.startswith(f"sealed  {out}")
    assert here.run("bundle", "show", str(out)) == 0
    assert "tiny  llama" in here.out
    assert "ferries  1 file, 1 passage, invented" in here.out
    assert "collection-1.sqlite" in here.out
    there = bench(tmp_path / "there")
    assert there.run("bundle", "open", str(out)) == 0
    assert there.out.startswith("opened  fares")
    assert "edgellm chat -m tiny" in there.err
    assert "edgellm docs ask -c ferries -m tiny" in there.err


def test_as_json(here: Bench, tmp_path: Path) -> None:
    out = tmp_path / "fares.bundle"
    assert here.run("bundle", "create", "fares", "-m", "tiny", "-o", str(out), "--json") == 0
    made = json.loads(here.out)
    assert (made["path"], made["signed_by"], made["manifest"]["name"]) == (str(out), "", "fares")
    assert here.run("bundle", "show", str(out), "--json") == 0
    assert json.loads(here.out) == made
    there = bench(tmp_path / "there")
    assert there.run("bundle", "open", str(out), "--json") == 0
    opened = json.loads(there.out)
    assert (opened["reference"], opened["collections"]) == ("tiny", [])


def test_a_damaged_bundle_is_an_error_of_its_own(here: Bench, tmp_path: Path) -> None:
    out = tmp_path / "fares.bundle"
    here.run("bundle", "create", "fares", "-m", "tiny", "-o", str(out))
    content = bytearray(out.read_bytes())
    content[-2000] ^= 1
    out.write_bytes(content)
    there = bench(tmp_path / "there")
    assert there.run("bundle", "open", str(out)) in (3, 8)
    assert "error: The bundle" in there.err
    assert there.run("bundle", "open", str(tmp_path / "none")) == 3
    assert "is no file" in there.err


def test_a_model_and_a_file_have_to_be_named(here: Bench) -> None:
    assert here.run("bundle", "create", "fares", "-m", "tiny") == 2
    assert here.run("bundle", "create", "fares", "-o", "x") == 2
