"""Invented documents with vectors for tests of collections and searches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgellm.retrieval.collection import Collection
from edgellm.retrieval.collection.bits import Floats
from edgellm.retrieval.values import Chunk, Document, EmbedderIdentity, SourceFile

DIMENSIONS = 64
IDENTITY = EmbedderIdentity(name="invented", sha256="a" * 64, dimensions=DIMENSIONS, max_tokens=256)
OTHER = EmbedderIdentity(name="another", sha256="b" * 64, dimensions=96, max_tokens=512, query_prefix="query: ")


def unit(rows: Floats) -> Floats:
    """Rows of length 1, float32."""
    divided: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return divided


def vectors(count: int, seed: int = 0, dimensions: int = DIMENSIONS) -> Floats:
    """(count, dimensions) random directions."""
    return unit(np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32))


def source(
    name: str, *, tags: Sequence[str] = (), modified: float = 1_700_000_000.0, sha256: str = "c" * 64
) -> SourceFile:
    return SourceFile(name=name, sha256=sha256, size=1234, modified=modified, tags=tuple(tags))


def document(*paragraphs: str, kind: str = "text", written: str | None = None) -> Document:
    return Document(kind=kind, text="\n\n".join(paragraphs), blocks=(), written=written)


def chunks(whole: Document, *, page: int | None = None, headings: Sequence[str] = ()) -> list[Chunk]:
    """A passage for each paragraph."""
    return [
        Chunk(
            text=found.group(),
            start=found.start(),
            end=found.end(),
            page=page,
            headings=tuple(headings),
            tokens=len(found.group().split()),
        )
        for found in re.finditer(r"[^\n]+(?:\n[^\n]+)*", whole.text)
    ]


def add(collection: Collection, name: str, *paragraphs: str, seed: int = 0) -> None:
    """Put a plain file into the collection."""
    whole = document(*paragraphs)
    found = chunks(whole)
    collection.put(source(name), whole, found, vectors(len(found), seed, collection.identity.dimensions))


def content(path: Path) -> dict[str, bytes]:
    """The file and its companions, byte by byte."""
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}
