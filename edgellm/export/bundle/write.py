"""From files to one bundle, which appears whole or not at all."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from edgellm.disk_space import check_space
from edgellm.errors import IntegrityError, InvalidInput
from edgellm.events import Started
from edgellm.export.bundle import archive, seal
from edgellm.export.bundle.manifest import Manifest, Member, decode_manifest, encode_manifest
from edgellm.hub.installed import sha256_of
from edgellm.hub.progress import Meter, OnEvent
from edgellm.paths import replacing

MANIFEST, SIGNATURE, DIGEST = "manifest.json", "manifest.sig", "manifest.sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What becomes one member."""

    path: str
    """In the archive."""
    content: Path | bytes
    sha256: str | None = None
    """Recorded when the file came in; None: it is read twice."""

    @property
    def size_bytes(self) -> int:
        """As it is now."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def opened(self) -> BinaryIO:
        """To be read from the beginning."""
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")

    def member(self) -> Member:
        """What the manifest says of it."""
        return Member(path=self.path, size_bytes=self.size_bytes, sha256=self.sha256 or self._hash())

    def _hash(self) -> str:
        if isinstance(self.content, Path):
            return sha256_of(self.content)
        return hashlib.sha256(self.content).hexdigest()


def write_bundle(
    out: Path, about: Manifest, parts: Sequence[Part], on_event: OnEvent, *, key_file: Path | None = None
) -> Manifest:
    """Write the archive and return its manifest: `about`, with its members filled in.

    key_file: a private key to sign with.
    Raises: InvalidInput when something is in the place already; IntegrityError when a file is not what was recorded;
    DiskFull, MissingExtra, OSError.
    """
    if out.exists():
        raise InvalidInput(f"{str(out)!r} exists already.", hint="Name another file.", field="out", remedy="out")
    on_event(Started(title=f"Bundle {about.name}", total=sum(part.size_bytes for part in parts), unit="bytes"))
    manifest = msgspec.structs.replace(about, members=tuple(part.member() for part in parts))
    content = encode_manifest(manifest)
    decode_manifest(content)  # what would be refused is not written
    signature = seal.sign(content, key_file) if key_file else b""
    check_space(out.parent, sum(archive.extent(member.size_bytes) for member in manifest.members))
    meter = Meter(on_event, manifest.size_bytes)
    with replacing(out) as file:
        archive.write_member(file, MANIFEST, content)
        if signature:
            archive.write_member(file, SIGNATURE, signature)
        archive.write_member(file, DIGEST, seal.digest(content, signature))
        for part, member in zip(parts, manifest.members, strict=True):
            _copy(file, part, member, meter)
        file.write(archive.END)
    return manifest


def _copy(file: BinaryIO, part: Part, member: Member, meter: Meter) -> None:
    with closing(part.opened()) as source:
        found = archive.copy_member(file, member.path, member.size_bytes, source, meter.advance)
    if found != member.sha256:
        raise IntegrityError(
            f"{str(part.content)!r} has changed on disk: its SHA-256 is {found}, not {member.sha256}.",
            hint="Fetch or add it again; no bundle was made.",
            expected=member.sha256,
            found=found,
        )
