"""What a collection refuses before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgellm.errors import InvalidInput
from edgellm.retrieval.collection.bits import Floats
from edgellm.retrieval.collection.schema import damaged
from edgellm.retrieval.values import Chunk, Document, EmbedderIdentity
from edgellm.store.db import Execute

TOLERANCE = 1e-3
"""By how much a vector's length may differ from 1."""


def checked_vectors(vectors: Floats, count: int, dimensions: int) -> Floats:
    """`vectors` as float32 (count, dimensions).

    Raises: InvalidInput for another shape, NaN, infinity and other lengths than 1.
    """
    found = np.ascontiguousarray(vectors, dtype=np.float32)
    if found.shape != (count, dimensions) and (count or found.size):
        raise _refused(f"have the shape {found.shape}; {count} passages of {dimensions} dimensions were expected")
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found).all(axis=1))[0])
        raise _refused(f"are not finite: number {row} holds NaN or infinity")
    lengths = np.linalg.norm(found, axis=1)
    wrong = np.flatnonzero(np.abs(lengths - 1) > TOLERANCE)
    if wrong.size:
        raise _refused(f"are not of unit length: number {wrong[0]} has length {lengths[wrong[0]]:.4g}")
    return found


def check_chunks(document: Document, chunks: Sequence[Chunk]) -> None:
    """Raises: InvalidInput when a passage is not the text that stands at its place in the document."""
    for number, chunk in enumerate(chunks):
        if not 0 <= chunk.start < chunk.end <= len(document.text):
            place = f"{chunk.start} to {chunk.end} of a text of {len(document.text)} characters"
            raise InvalidInput(f"Passage {number} has the place {place}.", field="chunks")
        if document.text[chunk.start : chunk.end] != chunk.text:
            message = f"Passage {number} is not the document's text from {chunk.start} to {chunk.end}."
            raise InvalidInput(message, field="chunks")


def check_identity(identity: EmbedderIdentity, wanted: EmbedderIdentity, name: str) -> None:
    """Raises: InvalidInput naming both when vectors of `wanted` cannot be compared with the collection's."""
    if replace(identity, name="") != replace(wanted, name=""):  # the weights count, not what somebody calls them
        raise InvalidInput(
            f"The collection {name} was made with the embedder {described(identity)}, not with {described(wanted)}.",
            hint="Use the embedder it was made with, or reindex the collection with the other one.",
            field="embedder",
        )


def refuse_code(execute: Execute) -> None:
    """Views and triggers are programs, which may have no end; no collection has any. Raises: StoreDamaged."""
    found = execute("SELECT type, name FROM sqlite_schema WHERE type IN ('view', 'trigger') LIMIT 1")
    if found:
        raise damaged(f"The collection has the {found[0][0]} {found[0][1]!r}; EdgeLLM makes none.")


def described(identity: EmbedderIdentity) -> str:
    """An embedder as messages name it."""
    prefixes = [prefix for prefix in (identity.query_prefix, identity.passage_prefix) if prefix]
    extra = "".join(f", prefix {prefix!r}" for prefix in prefixes)
    return f"{identity.name!r} ({identity.sha256[:12]}, {identity.dimensions} dimensions{extra})"


def _refused(what: str) -> InvalidInput:
    hint = "Embed the passages again; nothing was written."
    return InvalidInput(f"The vectors {what}.", hint=hint, field="vectors")
