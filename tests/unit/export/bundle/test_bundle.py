"""Bundles: written, read back, and refused when any byte of one is another."""

from __future__ import annotations

import tarfile
from pathlib import Path

import msgspec
import pytest

from edgellm import disk_space
from edgellm.errors import DiskFull, EdgeLLMError, IntegrityError, InvalidInput
from edgellm.events import JobEvent, Progressed, Started
from edgellm.export.bundle import archive, seal
from edgellm.export.bundle.manifest import (
    BundledAdapter,
    BundledCollection,
    BundledEmbedder,
    EmbedderFile,
    Manifest,
    Member,
    decode_manifest,
    encode_manifest,
)
from edgellm.export.bundle.read import BundleReader
from edgellm.export.bundle.write import DIGEST, MANIFEST, Part, write_bundle
from tests.unit.export.bundle.samples import ABOUT, PARTS, bundle, changed, unpacked

CONTENT = {"model.gguf": b"weights" * 100, "licence.txt": b"MIT\n"}


@pytest.fixture(autouse=True)
def small_disk_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    path = bundle(tmp_path / "fares.tar")
    assert unpacked(path) == CONTENT
    with BundleReader(path) as reader:
        manifest = reader.sealed.manifest
        assert (manifest.name, manifest.reference, manifest.size_bytes) == ("fares", "tiny", 704)
        assert [member.path for member in manifest.members] == ["model.gguf", "licence.txt"]
        assert reader.sealed.signed_by == ""
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["manifest.json", "manifest.sha256", "model.gguf", "licence.txt"]


def test_the_same_parts_make_the_same_bytes(tmp_path: Path) -> None:
    assert bundle(tmp_path / "a").read_bytes() == bundle(tmp_path / "b").read_bytes()


def test_files_are_copied_and_their_progress_is_told(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"12345")
    events: list[JobEvent] = []
    parts = [Part(path="model.gguf", content=tmp_path / "w")]
    write_bundle(tmp_path / "b", ABOUT, parts, events.append)
    assert isinstance(events[0], Started)
    assert events[0].total == 5
    assert isinstance(events[-1], Progressed)
    assert events[-1].done == 5
    assert unpacked(tmp_path / "b") == {"model.gguf": b"12345"}


def test_every_other_byte_is_refused(tmp_path: Path) -> None:
    path = bundle(tmp_path / "fares.tar")
    with path.open("r+b") as file:
        for place in range(path.stat().st_size):
            file.seek(place)
            right = file.read(1)
            file.seek(place)
            file.write(bytes([right[0] ^ 0x01]))
            file.flush()
            with pytest.raises((IntegrityError, InvalidInput)):
                unpacked(path)
            file.seek(place)
            file.write(right)
            file.flush()
    assert unpacked(path) == CONTENT


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = bundle(tmp_path / "fares.tar")
    with path.open("r+b") as file:
        for size in reversed(range(path.stat().st_size)):
            file.truncate(size)
            with pytest.raises((IntegrityError, InvalidInput)):
                BundleReader(path)


def test_something_added_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = bundle(tmp_path / "fares.tar")
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(InvalidInput, match="by its manifest it should have"):
        BundleReader(path)


def test_a_member_that_claims_to_be_huge_is_refused_before_it_is_read(tmp_path: Path) -> None:
    members = (Member(path="model.gguf", size_bytes=2**50, sha256="0" * 64),)
    with pytest.raises(InvalidInput, match="by its manifest it should have"):
        BundleReader(sealed(tmp_path / "b", changed(ABOUT, members=members)))


def test_content_of_another_hash_is_refused(tmp_path: Path) -> None:
    members = (Member(path="model.gguf", size_bytes=3, sha256="0" * 64),)
    path = sealed(tmp_path / "b", changed(ABOUT, members=members), {"model.gguf": b"abc"})
    with pytest.raises(IntegrityError, match=r"the content of 'model\.gguf' is not what was sealed"):
        unpacked(path)


def test_members_in_another_order_or_too_few_are_refused(tmp_path: Path) -> None:
    with BundleReader(bundle(tmp_path / "good")) as reader:
        manifest = reader.sealed.manifest
    swapped = dict(reversed(CONTENT.items()))
    with pytest.raises(InvalidInput, match="something else"):
        unpacked(sealed(tmp_path / "swapped", manifest, swapped))
    with pytest.raises(InvalidInput, match="by its manifest it should have"):
        unpacked(sealed(tmp_path / "fewer", manifest, {"model.gguf": CONTENT["model.gguf"]}))


def sealed(path: Path, manifest: Manifest, content: dict[str, bytes] | None = None) -> Path:
    """A bundle by somebody who keeps the form and not the rules."""
    return raw(path, encode_manifest(manifest), content)


def raw(path: Path, manifest: bytes, content: dict[str, bytes] | None = None) -> Path:
    with path.open("wb") as file:
        archive.write_member(file, MANIFEST, manifest)
        archive.write_member(file, DIGEST, seal.digest(manifest, b""))
        for name, data in (content or {}).items():
            archive.write_member(file, name, data)
        file.write(archive.END)
    return path


def member(**fields: object) -> Member:
    return msgspec.structs.replace(MEMBER, **fields)


MEMBER = Member(path="model.gguf", size_bytes=0, sha256="0" * 64)
BRINGS = EmbedderFile(path="embedder-1.json", name="config.json")
CODE = EmbedderFile(path="embedder-1.json", name="../modeling.py")


def embedder(**fields: object) -> BundledEmbedder:
    return msgspec.structs.replace(BundledEmbedder(name="e", sha256="0" * 64, files=(BRINGS,)), **fields)


COLLECTION = BundledCollection(name="c", path="collection-1.sqlite", embedder="e", files=1, chunks=1)


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (changed(ABOUT, members=(member(path="../model.gguf"),)), "malformed"),
        (changed(ABOUT, members=(member(path="/model.gguf"),)), "malformed"),
        (changed(ABOUT, members=(member(path="model.exe"),)), "malformed"),
        (changed(ABOUT, members=(member(sha256="0" * 63 + "g"),)), "malformed"),
        (changed(ABOUT, members=(member(size_bytes=-1),)), "malformed"),
        (changed(ABOUT, members=(MEMBER, MEMBER)), "more than once"),
        (changed(ABOUT, members=()), "missing"),
        (changed(ABOUT, members=(MEMBER,), name="../fares"), "cannot be a name"),
        (changed(ABOUT, members=(MEMBER,), name=""), "cannot be a name"),
        (changed(ABOUT, members=(MEMBER,), adapter=BundledAdapter(name="a/b", path="x", manifest_path="y")), "a name"),
        (
            changed(
                ABOUT,
                members=(MEMBER,),
                adapter=BundledAdapter(name="a", path="model.gguf", manifest_path="model.gguf"),
            ),
            "more than once",
        ),
        (changed(ABOUT, members=(MEMBER,), collections=(COLLECTION,)), "missing"),
        (changed(ABOUT, members=(MEMBER,), collections=(COLLECTION, COLLECTION)), "more than once"),
        (changed(ABOUT, members=(MEMBER,), embedders=(embedder(name="../x"),)), "cannot be a name"),
        (changed(ABOUT, members=(MEMBER,), embedders=(embedder(sha256="x"),)), "hash of 'e' is malformed"),
        (changed(ABOUT, members=(MEMBER,), embedders=(embedder(),)), "'embedder-1.json' is missing"),
        (changed(ABOUT, members=(MEMBER,), embedders=(embedder(files=(BRINGS, BRINGS)),)), "more than once"),
        (changed(ABOUT, members=(MEMBER,), embedders=(embedder(files=(CODE,)),)), "no file of an embedder"),
        (changed(ABOUT, members=(MEMBER,) * 1_001), "1001 members"),
        (changed(ABOUT, members=(MEMBER,), format=0), "format is 0"),
    ],
)
def test_manifests_that_break_a_rule_are_refused(tmp_path: Path, manifest: Manifest, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        BundleReader(sealed(tmp_path / "b", manifest))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"format": "1"}', b'{"format": 1}', b"\xff", b'{"format": 1, "name": "x", "y": 1}']
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidInput, match="not understood"):
        BundleReader(raw(tmp_path / "b", content))


def test_a_newer_format_is_refused_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="format 2, of a newer EdgeLLM") as caught:
        BundleReader(raw(tmp_path / "b", b'{"format": 2, "everything": "else"}'))
    assert caught.value.facts["found_version"] == 2


def test_a_manifest_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="at most"):
        BundleReader(raw(tmp_path / "b", b" " * (1024**2 + 1)))


def test_what_does_not_begin_with_a_manifest_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "b").open("wb") as file:
        archive.write_member(file, "model.gguf", b"abc")
        file.write(archive.END)
    with pytest.raises(InvalidInput, match="does not begin with a manifest"):
        BundleReader(tmp_path / "b")


def test_a_manifest_without_a_seal_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "b").open("wb") as file:
        archive.write_member(file, MANIFEST, encode_manifest(ABOUT))
        archive.write_member(file, "model.gguf", b"abc")
        file.write(archive.END)
    with pytest.raises(InvalidInput, match="not sealed"):
        BundleReader(tmp_path / "b")


def test_nothing_is_written_over_and_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    with pytest.raises(InvalidInput, match="exists already"):
        bundle(there)
    assert there.read_text() == "mine"
    (tmp_path / "w").write_bytes(b"12345")
    recorded = Part(path="model.gguf", content=tmp_path / "w", sha256="0" * 64)
    with pytest.raises(IntegrityError, match="has changed on disk"):
        bundle(tmp_path / "b", parts=[recorded])
    with pytest.raises(InvalidInput):
        bundle(tmp_path / "b", changed(ABOUT, name="no name"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there", "w"]


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "free_bytes", lambda _: 100)
    with pytest.raises(DiskFull):
        bundle(tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_survives_its_writing() -> None:
    members = tuple(part.member() for part in PARTS)
    manifest = changed(ABOUT, members=members)
    assert decode_manifest(encode_manifest(manifest)) == manifest


def test_an_error_of_whoever_receives_ends_it(tmp_path: Path) -> None:
    class Stop(EdgeLLMError):
        pass

    def stop(_: str) -> None:
        raise Stop("no")

    with BundleReader(bundle(tmp_path / "b")) as reader, pytest.raises(Stop):
        reader.unpack(stop, lambda _: None)  # type: ignore[arg-type]
