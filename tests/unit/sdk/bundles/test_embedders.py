"""Bundles that carry the embedder of their collection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edgellm.errors import (
    InvalidInput,
    ModelNotFound,
    ModelRejected,
)
from edgellm.events import JobEvent, Progressed
from edgellm.export.bundle.write import write_bundle
from edgellm.retrieval.embed.source import EmbedderSource, read_source
from edgellm.sdk import bundle_embedders
from edgellm.sdk.bundle_parts import BundleRequest, gather
from tests.unit.export.bundle.samples import changed
from tests.unit.retrieval.embed.folders import make_folder
from tests.unit.retrieval.library import add
from tests.unit.sdk.bundles.machines import Machine, sealed


@pytest.fixture
def embedder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny embedder's folder, which its name leads to until `forgotten`."""
    folder = make_folder(tmp_path / "tiny-bert")
    (folder / "README.md").write_text("not needed")
    monkeypatch.setattr(bundle_embedders, "found", lambda name: (folder, name))
    return folder


def forgotten(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """From here on no name leads to an embedder. Returns: folders whose twin is made."""
    proven: list[Path] = []

    def nowhere(name: str) -> tuple[Path, str]:
        raise ModelNotFound(f"No {name}.", name=name)

    def twin(source: EmbedderSource, kept: Path, on_make: Callable[[], None]) -> None:
        assert source.folder.path.parent == kept
        on_make()
        proven.append(source.folder.path)

    monkeypatch.setattr(bundle_embedders, "found", nowhere)
    monkeypatch.setattr(bundle_embedders, "find_or_make_twin", twin)
    return proven


def with_embedder(here: Machine, folder: Path, tmp_path: Path) -> Path:
    """A bundle with a collection whose vectors are of this embedder."""
    identity = read_source(folder, "tiny-bert").identity
    with here.collections.open_or_create("times", lambda: identity) as collection:
        add(collection, "/docs/times.txt", "The last ship leaves at nine.")
    return here.bundles.create("fares", "tiny", tmp_path / "with", collections=["times"]).path


def test_an_embedder_comes_with_its_collection(
    here: Machine, there: Machine, tmp_path: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_embedder(here, embedder, tmp_path)
    identity = read_source(embedder, "tiny-bert").identity
    assert [each.name for each in here.bundles.show(path).manifest.embedders] == ["tiny-bert"]
    proven, events = forgotten(monkeypatch), list[JobEvent]()
    there.bundles.open(path, on_event=events.append)
    assert isinstance(events[-1], Progressed)
    assert events[-1].note == "proving the embedder tiny-bert"
    placed = there.home.embedders / f"tiny-bert-{identity.sha256[:12]}"
    assert proven == [placed]
    assert read_source(placed, "tiny-bert").identity == identity
    assert not (placed / "README.md").exists()
    there.bundles.open(path)
    assert [path.name for path in there.home.embedders.iterdir()] == [placed.name]


def test_an_embedder_that_is_there_already_stays_as_it_is(
    here: Machine, there: Machine, tmp_path: Path, embedder: Path
) -> None:
    there.bundles.open(with_embedder(here, embedder, tmp_path))
    assert [path.name for path in there.home.embedders.iterdir()] == []


def test_an_embedder_that_no_name_leads_to_stays_here(here: Machine, tmp_path: Path) -> None:
    assert here.bundles.show(sealed(here, tmp_path)).manifest.embedders == ()


def test_an_embedder_that_is_not_what_it_says_is_refused(
    here: Machine, there: Machine, tmp_path: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_embedder(here, embedder, tmp_path)
    request = BundleRequest(name="fares", model="tiny", collections=("times",))
    (tmp_path / "scratch").mkdir()
    said, parts = gather(here.home, here.library, request, tmp_path / "scratch")
    other = msgspec.structs.replace(said.embedders[0], sha256="0" * 64)
    write_bundle(tmp_path / "other", changed(said, embedders=(other,)), parts, lambda _: None)
    forgotten(monkeypatch)
    with pytest.raises(InvalidInput, match="other weights than it says"):
        there.bundles.open(tmp_path / "other")
    assert there.files() == []


def test_a_twin_that_fails_its_proof_takes_everything_back(
    here: Machine, there: Machine, tmp_path: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_embedder(here, embedder, tmp_path)
    forgotten(monkeypatch)

    def differs(*_: object) -> None:
        raise ModelRejected("It computes something else.", path="x", reason="x")

    monkeypatch.setattr(bundle_embedders, "find_or_make_twin", differs)
    with pytest.raises(ModelRejected):
        there.bundles.open(path)
    assert there.files() == []
