"""The shelf of adapters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from edgellm import disk_space
from edgellm.errors import AdapterNotFound, DiskFull, InvalidInput, ModelNotFound
from edgellm.file_lock import locked
from edgellm.hub import adapters
from edgellm.hub.adapters import AdapterManifest, BaseRecord, DatasetRecord, Shelf
from edgellm.hub.names import split_adapter
from edgellm.paths import Home, home_from

BASE = BaseRecord(name="starter", sha256="ab" * 32, architecture="llama")
HOSTILE = ["", ".", "..", "../evil", "/etc/passwd", "a/b", "a\\b", "a\0b", "-rf", ".hidden", "x..y", "x@y", "x" * 97]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)
    return home_from({"EDGELLM_HOME": str(tmp_path / "home")})


@pytest.fixture
def shelf(home: Home) -> Shelf:
    return Shelf(home)


def file(tmp_path: Path, content: bytes = b"lora", name: str = "Light House.gguf") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_an_attached_adapter_is_listed_found_and_removed(shelf: Shelf, tmp_path: Path) -> None:
    made = shelf.attach(file(tmp_path), BASE)
    assert (made.name, made.reference, made.size_bytes) == ("Light-House", "starter@Light-House", 4)
    assert made.path.read_bytes() == b"lora"
    assert (made.manifest.base, made.manifest.dataset) == (BASE, None)
    assert made.origin == f"attached from {tmp_path / 'Light House.gguf'}"
    other = shelf.attach(file(tmp_path), BASE, "a")
    assert shelf.list() == [made, other] == [shelf.get("Light-House"), shelf.get("a")]
    shelf.remove("a")
    assert shelf.list() == [made]
    assert sorted(os.listdir(shelf.folder)) == ["Light-House"]


def test_it_is_private(shelf: Shelf, tmp_path: Path) -> None:
    made = shelf.attach(file(tmp_path), BASE, "a")
    assert made.folder.stat().st_mode & 0o777 == 0o700


def test_a_trained_one_enters_as_a_whole_folder(shelf: Shelf) -> None:
    draft = shelf.folder / ".draft"
    draft.mkdir(parents=True)
    (draft / "adapter.gguf").write_bytes(b"lora")
    (draft / "card.md").write_text("Card")
    manifest = AdapterManifest(
        name="legal", base=BASE, dataset=DatasetRecord(name="cases", hash="cd"), plan={"rank": 8}, losses={"final": 0.5}
    )
    made = shelf.admit(draft, manifest)
    assert (made.manifest, made.origin) == (manifest, "trained on cases")
    assert sorted(os.listdir(made.folder)) == ["adapter.gguf", "card.md", "manifest.json"]
    assert not draft.exists()


def test_the_same_content_may_come_again_and_other_content_not(shelf: Shelf, tmp_path: Path) -> None:
    first = shelf.attach(file(tmp_path), BASE, "a")
    assert shelf.attach(file(tmp_path), BASE, "a") == first
    for content, base in ((b"other", BASE), (b"lora", replace(BASE, sha256="00" * 32))):
        with pytest.raises(InvalidInput, match=r"already named 'a'.*adapters remove a"):
            shelf.attach(file(tmp_path, content), base, "a")
    assert os.listdir(shelf.folder) == ["a"]
    assert shelf.get("a").path.read_bytes() == b"lora"


@pytest.mark.parametrize("name", [*HOSTILE, "x.gguf"])
def test_hostile_names_lead_nowhere(name: str, shelf: Shelf, tmp_path: Path) -> None:
    outside = shelf.folder.parent / "evil"
    outside.mkdir(parents=True)
    for wanted in ("adapter.gguf", "manifest.json"):
        (outside / wanted).write_text("{}")
    with pytest.raises(InvalidInput, match="cannot be an adapter's name"):
        shelf.attach(file(tmp_path), BASE, name)
    with pytest.raises(AdapterNotFound):
        shelf.get(name)
    with pytest.raises(AdapterNotFound):
        shelf.remove(name)
    assert len(os.listdir(outside)) == 2
    assert not shelf.folder.exists() or os.listdir(shelf.folder) == []


def test_links_are_not_followed(shelf: Shelf, tmp_path: Path) -> None:
    made = shelf.attach(file(tmp_path), BASE, "a")
    (shelf.folder / "linked").symlink_to(made.folder)
    with pytest.raises(AdapterNotFound):
        shelf.get("linked")
    made.path.unlink()
    made.path.symlink_to(file(tmp_path))
    with pytest.raises(AdapterNotFound):
        shelf.get("a")


def test_an_unknown_name_is_told_the_nearest(shelf: Shelf, tmp_path: Path) -> None:
    shelf.attach(file(tmp_path), BASE, "lighthouse")
    with pytest.raises(AdapterNotFound, match=r"no adapter named 'lighthose'\. Did you mean 'lighthouse'"):
        shelf.get("lighthose")
    assert issubclass(AdapterNotFound, ModelNotFound)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"{", "cannot be read"), (b'{"name": "a"}', "cannot be read"), (b"", "cannot be read")]
)
def test_a_damaged_manifest_is_told_and_can_be_removed(
    content: bytes, reason: str, shelf: Shelf, tmp_path: Path
) -> None:
    made = shelf.attach(file(tmp_path), BASE, "a")
    (made.folder / "manifest.json").write_bytes(content)
    with pytest.raises(InvalidInput, match=reason):
        shelf.get("a")
    assert shelf.list() == []
    shelf.remove("a")
    assert os.listdir(shelf.folder) == []


def test_what_a_killed_removal_left_is_in_nobodys_way(shelf: Shelf, tmp_path: Path) -> None:
    shelf.attach(file(tmp_path), BASE, "a").folder.rename(shelf.folder / ".a.removed.part")
    assert shelf.list() == []
    shelf.attach(file(tmp_path), BASE, "a")
    assert sorted(os.listdir(shelf.folder)) == ["a"], "whoever makes it again clears it away"
    (shelf.folder / ".a.removed.part").mkdir()
    (shelf.folder / ".a.removed.part" / "adapter.gguf").write_bytes(b"lora")
    shelf.remove("a")
    assert os.listdir(shelf.folder) == []


def test_one_that_another_process_removes_meanwhile_is_not_there(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.attach(file(tmp_path), BASE, "a")

    @contextmanager
    def late(path: Path) -> Iterator[None]:
        monkeypatch.undo()
        Shelf.remove(shelf, "a")
        with locked(path):
            yield

    monkeypatch.setattr(adapters, "locked", late)
    with pytest.raises(AdapterNotFound):
        shelf.remove("a")


def test_manifests_of_other_versions(shelf: Shelf, tmp_path: Path) -> None:
    path = shelf.attach(file(tmp_path), BASE, "a").folder / "manifest.json"
    written = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(written | {"added_later": 1}))
    assert shelf.get("a").manifest.base == BASE
    path.write_bytes(msgspec.json.encode(written | {"format": 2}))
    with pytest.raises(InvalidInput, match="of a newer EdgeLLM"):
        shelf.get("a")


def test_what_cannot_be_attached_leaves_nothing(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelNotFound, match="does not exist"):
        shelf.attach(tmp_path / "missing.gguf", BASE)
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DiskFull):
        shelf.attach(file(tmp_path), BASE)
    assert shelf.list() == []


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("starter", ("starter", None)),
        ("starter@a", ("starter", "a")),
        ("/m/x.gguf", ("/m/x.gguf", None)),
        ("/m/x@y.gguf", ("/m/x@y.gguf", None)),
        ("/m/x@y.gguf@a", ("/m/x@y.gguf", "a")),
        ("starter@", ("starter", "")),
        ("@a", ("", "a")),
    ],
)
def test_a_models_name_may_carry_an_adapter(name: str, parts: tuple[str, str | None]) -> None:
    assert split_adapter(name) == parts
