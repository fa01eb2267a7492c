"""From one bundle to files that were checked, in a folder of the reader's choice.

Order in the archive: the manifest, its signature where there is one, the hash of both, the members, the end. The
manifest says how long the archive is, so that one that was cut off or added to is refused before anything is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from edgellm.errors import IntegrityError
from edgellm.events import Started
from edgellm.export.bundle import archive, seal
from edgellm.export.bundle.manifest import MAX_MANIFEST_BYTES, Manifest, decode_manifest, unusable
from edgellm.export.bundle.write import DIGEST, MANIFEST, SIGNATURE
from edgellm.hub.progress import Meter, OnEvent


@dataclass(frozen=True, slots=True)
class Sealed:
    """The beginning of a bundle, which was found to be whole."""

    manifest: Manifest
    content: bytes
    """The manifest as it was written."""
    signature: bytes
    """Empty: it is not signed."""

    @property
    def signed_by(self) -> str:
        """A short name of the key; empty when it is not signed. Whether it is true, only `seal.verify` tells."""
        return seal.fingerprint(self.signature[: seal.KEY_BYTES]) if self.signature else ""


class BundleReader(archive.ArchiveReader):
    """A bundle that is open. Errors: InvalidInput, IntegrityError, OSError."""

    def __init__(self, path: Path, verify_key: Path | None = None) -> None:
        """Read its beginning. `verify_key`: a public key that must have signed it; MissingExtra without the library."""
        super().__init__(path)
        try:
            self.sealed = self._beginning()
            if verify_key is not None:
                seal.verify(self.sealed.content, self.sealed.signature, verify_key)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def unpack(self, opened: Callable[[str], BinaryIO], on_event: OnEvent) -> None:
        """Copy every member to the file that `opened` gives for its path, and check it on the way.

        Raises: IntegrityError when the content of one is not what the manifest says. What was written until then is the
        caller's to remove.
        """
        manifest = self.sealed.manifest
        on_event(Started(title=f"Open {manifest.name}", total=manifest.size_bytes, unit="bytes"))
        meter = Meter(on_event, manifest.size_bytes)
        for member in manifest.members:
            with opened(member.path) as out:
                found = self.member(member.path, member.size_bytes, out, meter.advance)
            if found != member.sha256:
                raise _changed(f"the content of {member.path!r}", member.sha256, found)
        self.end()

    def _beginning(self) -> Sealed:
        name, content = self.small(MAX_MANIFEST_BYTES)
        if name != MANIFEST:
            raise unusable("it does not begin with a manifest")
        name, sealed = self.small(seal.KEY_BYTES + seal.SIGNATURE_BYTES)
        signature = b""
        if name == SIGNATURE:
            signature = sealed
            name, sealed = self.small(seal.KEY_BYTES + seal.SIGNATURE_BYTES)
        if name != DIGEST or len(signature) not in (0, seal.KEY_BYTES + seal.SIGNATURE_BYTES):
            raise unusable("its manifest is not sealed")
        expected = seal.digest(content, signature)
        if sealed != expected:
            raise _changed("its manifest", sealed.decode("ascii", "replace").strip(), expected.decode().strip())
        manifest = decode_manifest(content)
        self._check_length(manifest)
        return Sealed(manifest, content, signature)

    def _check_length(self, manifest: Manifest) -> None:
        members = sum(archive.extent(member.size_bytes) for member in manifest.members)
        expected = self.offset + members + len(archive.END)
        if self.size != expected:
            raise unusable(f"it has {self.size:,} bytes; by its manifest it should have {expected:,}")


def _changed(what: str, expected: str, found: str) -> IntegrityError:
    message = f"The bundle is refused: {what} is not what was sealed."
    hint = "It was damaged on its way or tampered with: get it again. Nothing was put in place."
    return IntegrityError(message, hint=hint, expected=expected, found=found)
