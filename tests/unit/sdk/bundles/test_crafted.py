"""Bundles with sound hashes over contents that are not sound: each is refused, and nothing of it stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import apsw
import pytest

from edgellm.errors import (
    EdgeLLMError,
    InvalidInput,
    ModelRejected,
    StoreTooNew,
)
from edgellm.export.bundle.manifest import Manifest
from edgellm.export.bundle.write import Part, write_bundle
from edgellm.hub.adapters import Shelf
from edgellm.hub.inspect import Inspection
from edgellm.sdk.bundle_parts import BundleRequest, gather
from tests.unit.export.bundle.samples import changed
from tests.unit.sdk.bundles.machines import Machine, lora_file, sealed


def crafted(here: Machine, tmp_path: Path, change: dict[str, bytes], **about: Any) -> Path:
    """A bundle with sound hashes over contents that are not sound."""
    request = BundleRequest(name="fares", model="tiny@fares", collections=("ferries",))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    said, parts = gather(here.home, here.library, request, scratch)
    made: Manifest = changed(said, **about)
    parts = [Part(path=part.path, content=change[part.path]) if part.path in change else part for part in parts]
    write_bundle(tmp_path / "crafted", made, parts, lambda _: None)
    return tmp_path / "crafted"


def newer_collection(here: Machine, tmp_path: Path) -> bytes:
    path = here.collections.path("ferries")
    copy = tmp_path / "newer.sqlite"
    copy.write_bytes(path.read_bytes())
    connection = apsw.Connection(str(copy))
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    return copy.read_bytes()


def other_base(here: Machine) -> bytes:
    found = json.loads((Shelf(here.home).get("fares").folder / "manifest.json").read_bytes())
    return json.dumps(found | {"base": found["base"] | {"sha256": "0" * 64}}).encode()


def test_a_collection_of_a_newer_version_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    path = crafted(here, tmp_path, {"collection-1.sqlite": newer_collection(here, tmp_path)})
    with pytest.raises(StoreTooNew):
        there.bundles.open(path)
    assert there.files() == []


@pytest.mark.parametrize(
    ("member", "content", "error"),
    [
        ("model.gguf", b"GGUF", ModelRejected),
        ("adapter.gguf", b"GGUF", InvalidInput),
        ("adapter.json", b"{}", InvalidInput),
        ("collection-1.sqlite", b"SQLite format 3\x00" + bytes(500), EdgeLLMError),
        ("collection-1.sqlite", b"", EdgeLLMError),
    ],
)
def test_contents_that_cannot_be_used_are_refused(
    here: Machine, there: Machine, tmp_path: Path, member: str, content: bytes, error: type[EdgeLLMError]
) -> None:
    with pytest.raises(error):
        there.bundles.open(crafted(here, tmp_path, {member: content}))
    assert there.files() == []


def test_an_adapter_that_does_not_fit_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    other = lora_file(tmp_path / "other.gguf", inputs=24).read_bytes()
    with pytest.raises(InvalidInput, match="does not fit"):
        there.bundles.open(crafted(here, tmp_path, {"adapter.gguf": other}))


def test_an_adapter_with_values_that_end_the_engine_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    content = bytearray(Shelf(here.home).get("fares").path.read_bytes())
    content[-4:] = b"\x00\x00\xc0\x7f"  # NaN
    with pytest.raises(InvalidInput, match="not finite"):
        there.bundles.open(crafted(here, tmp_path, {"adapter.gguf": bytes(content)}))


def test_a_collection_whose_parts_do_not_fit_together_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    copy = tmp_path / "broken.sqlite"
    copy.write_bytes(here.collections.path("ferries").read_bytes())
    connection = apsw.Connection(str(copy))
    connection.execute("UPDATE files SET characters = characters + 1")
    connection.close()
    with pytest.raises(InvalidInput, match="its collection 'ferries' is damaged"):
        there.bundles.open(crafted(here, tmp_path, {"collection-1.sqlite": copy.read_bytes()}))
    assert there.files() == []


def test_an_adapter_of_another_model_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="made for another model"):
        there.bundles.open(crafted(here, tmp_path, {"adapter.json": other_base(here)}))
    assert there.files() == []


def test_an_adapter_of_a_newer_format_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    found = json.loads((Shelf(here.home).get("fares").folder / "manifest.json").read_bytes())
    newer = json.dumps(found | {"format": 99}).encode()
    with pytest.raises(InvalidInput, match="newer EdgeLLM"):
        there.bundles.open(crafted(here, tmp_path, {"adapter.json": newer}))


def test_a_model_that_inspection_refuses_is_refused(here: Machine, there: Machine, tmp_path: Path) -> None:
    path = sealed(here, tmp_path)

    def refused(path: Path) -> Inspection:
        raise ModelRejected("It crashed.", path=str(path), reason="crash")

    there.library.inspect = refused
    with pytest.raises(ModelRejected):
        there.bundles.open(path)
    assert there.files() == []
