"""Sealed bundles: a model with all that belongs to it in one file, made here and opened on another machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.events import JobEvent
from edgellm.hub.installed import Library
from edgellm.paths import Home, private_dir

if TYPE_CHECKING:  # what reads and writes bundles is loaded by the first one
    from edgellm.export.bundle.manifest import Manifest
    from edgellm.sdk.bundle_placing import OpenedBundle

OnEvent = Callable[[JobEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleInfo:
    """A bundle, as its manifest tells."""

    path: Path
    size_bytes: int
    """Of the whole file."""
    manifest: Manifest
    signed_by: str
    """A short name of the key; empty when it is not signed."""
    is_verified: bool
    """Whether the signature was checked with a key that the caller gave."""


class Bundles:
    """Errors: InvalidInput, IntegrityError (something is not what was sealed), DiskFull, MissingExtra (signatures)."""

    def __init__(self, home: Home, library: Library) -> None:
        self._home, self._library = home, library

    def create(
        self,
        name: str,
        model: str,
        out: str | Path,
        *,
        collections: Sequence[str] = (),
        prompts: Sequence[str | Path] = (),
        sign: str | Path | None = None,
        on_event: OnEvent | None = None,
    ) -> BundleInfo:
        """Write a bundle.

        Args:
            model: name or path, with an adapter or without: `starter@lighthouse`.
            out: a file that does not exist yet.
            collections: of documents; each is copied as it is now, also while it is being added to.
            prompts: text files with instructions for the model.
            sign: a private Ed25519 key in a PEM file.

        Raises: ModelNotFound, AdapterNotFound, CollectionNotFound, ModelRejected, StoreError besides.
        """
        from edgellm.export.bundle.write import write_bundle
        from edgellm.sdk.bundle_parts import BundleRequest, gather

        files = tuple(Path(prompt).expanduser() for prompt in prompts)
        request = BundleRequest(name=name, model=model, collections=tuple(collections), prompts=files)
        target = Path(out).expanduser().absolute()
        key = Path(sign).expanduser() if sign else None
        with tempfile.TemporaryDirectory(dir=private_dir(self._home.cache)) as scratch:
            about, parts = gather(self._home, self._library, request, Path(scratch))
            write_bundle(target, about, parts, on_event or (lambda _: None), key_file=key)
        return self.show(target)

    def show(self, file: str | Path, *, verify_key: str | Path | None = None) -> BundleInfo:
        """What a bundle holds; its manifest is checked, and that the file has its length, but no member is read."""
        from edgellm.export.bundle.read import BundleReader

        path = Path(file).expanduser()
        with BundleReader(path, _key(verify_key)) as reader:
            return BundleInfo(
                path=path,
                size_bytes=reader.size,
                manifest=reader.sealed.manifest,
                signed_by=reader.sealed.signed_by,
                is_verified=verify_key is not None,
            )

    def open(
        self, file: str | Path, *, verify_key: str | Path | None = None, on_event: OnEvent | None = None
    ) -> OpenedBundle:
        """Check every byte, then put model, adapter and collections in place: all of them, or nothing.

        Opening the same bundle again changes nothing. `verify_key`: a public Ed25519 key in a PEM file; a bundle that
        its holder did not sign is refused. Raises: ModelRejected, StoreDamaged, StoreTooNew besides.
        """
        from edgellm.export.bundle.read import BundleReader
        from edgellm.sdk.bundle_placing import Placing

        with BundleReader(Path(file).expanduser(), _key(verify_key)) as reader:
            placing = Placing(self._home, self._library, reader)
            return placing.run(on_event or (lambda _: None), is_verified=verify_key is not None)


def _key(path: str | Path | None) -> Path | None:
    return Path(path).expanduser() if path else None
