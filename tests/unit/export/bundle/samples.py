"""Small bundles for tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgellm.export.bundle.manifest import BundledModel, Manifest
from edgellm.export.bundle.read import BundleReader
from edgellm.export.bundle.write import Part, write_bundle

MODEL = BundledModel(
    name="tiny", path="model.gguf", architecture="llama", quantization="F32", parameters=1_000, licence="mit"
)
ABOUT = Manifest(name="fares", created="2026-01-31T10:00:00+00:00", edgellm="0.1.0", model=MODEL)
PARTS = (Part(path="model.gguf", content=b"weights" * 100), Part(path="licence.txt", content=b"MIT\n"))


def bundle(path: Path, about: Manifest = ABOUT, parts: Sequence[Part] = PARTS, key_file: Path | None = None) -> Path:
    """A bundle in this file."""
    write_bundle(path, about, parts, lambda _: None, key_file=key_file)
    return path


def unpacked(path: Path, verify_key: Path | None = None) -> dict[str, bytes]:
    """Every member's content."""
    kept: dict[str, _Kept] = {}

    def opened(name: str) -> _Kept:
        return kept.setdefault(name, _Kept())

    with BundleReader(path, verify_key) as reader:
        reader.unpack(opened, lambda _: None)
    return {name: file.content for name, file in kept.items()}


class _Kept(io.BytesIO):
    """Remembers what was written when it is closed."""

    content = b""

    def close(self) -> None:
        self.content = self.content or self.getvalue()
        super().close()


def changed(about: Manifest, **fields: object) -> Manifest:
    """The manifest with other values."""
    return msgspec.structs.replace(about, **fields)
