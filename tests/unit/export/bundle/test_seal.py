"""Signatures: made, checked, and refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgellm import disk_space
from edgellm.errors import IntegrityError, InvalidInput, MissingExtra
from edgellm.export.bundle import seal
from edgellm.export.bundle.read import BundleReader
from tests.unit.export.bundle.samples import bundle, unpacked


@pytest.fixture(autouse=True)
def small_disk_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)


def keys(folder: Path, name: str = "key") -> tuple[Path, Path]:
    """A private and a public key in PEM files."""
    serialization = pytest.importorskip(seal.SERIALIZATION)
    key = pytest.importorskip(seal.ED25519).Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def test_a_signature_is_checked_with_its_key(tmp_path: Path) -> None:
    private, public = keys(tmp_path)
    path = bundle(tmp_path / "b", key_file=private)
    assert unpacked(path, public) == unpacked(path)
    with BundleReader(path, public) as reader:
        assert len(reader.sealed.signed_by) == 16


def test_another_key_is_refused(tmp_path: Path) -> None:
    private, _ = keys(tmp_path)
    _, other = keys(tmp_path, "other")
    with pytest.raises(IntegrityError, match="signed it, not"):
        BundleReader(bundle(tmp_path / "b", key_file=private), other)


def test_an_unsigned_bundle_is_refused_where_a_signature_is_wanted(tmp_path: Path) -> None:
    _, public = keys(tmp_path)
    with pytest.raises(IntegrityError, match="not signed"):
        BundleReader(bundle(tmp_path / "b"), public)


def test_a_signature_of_something_else_is_refused(tmp_path: Path) -> None:
    private, public = keys(tmp_path)
    made = seal.sign(b"this", private)
    seal.verify(b"this", made, public)
    with pytest.raises(IntegrityError, match="not valid"):
        seal.verify(b"that", made, public)
    with pytest.raises(IntegrityError, match="not valid"):
        seal.verify(b"this", made[:-1] + bytes([made[-1] ^ 1]), public)


def test_another_byte_of_a_signature_is_refused_without_the_key(tmp_path: Path) -> None:
    private, _ = keys(tmp_path)
    path = bundle(tmp_path / "b", key_file=private)
    content = path.read_bytes()
    start = content.index(b"manifest.sig")
    for place in range(start, start + 1024, 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x80]) + content[place + 1 :])
        with pytest.raises((IntegrityError, InvalidInput)):
            unpacked(path)


def test_files_that_hold_no_key_are_refused(tmp_path: Path) -> None:
    private, public = keys(tmp_path)
    (tmp_path / "text").write_text("hello")
    for wrong in (public, tmp_path / "text"):
        with pytest.raises(InvalidInput, match="no private Ed25519 key"):
            seal.sign(b"this", wrong)
    for wrong in (private, tmp_path / "text"):
        with pytest.raises(InvalidInput, match="no public Ed25519 key"):
            seal.verify(b"this", bytes(96), wrong)


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, seal.ED25519, None)
    with pytest.raises(MissingExtra) as caught:
        seal.sign(b"this", tmp_path / "key.pem")
    assert caught.value.facts["extra"] == "sign"
    with pytest.raises(MissingExtra):
        seal.verify(b"this", bytes(96), tmp_path / "key.pub")


def test_the_digest_covers_both() -> None:
    assert seal.digest(b"a", b"") == b"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\n"
    assert seal.digest(b"a", b"b") != seal.digest(b"a", b"")
