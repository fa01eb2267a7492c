"""Embedders in bundles: the folder with which a collection's questions are turned into vectors."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from edgellm.errors import EdgeLLMError
from edgellm.export.bundle.manifest import EMBEDDER_FILES, BundledEmbedder, EmbedderFile, unusable
from edgellm.export.bundle.write import Part
from edgellm.export.folder import put_in_place
from edgellm.paths import Home
from edgellm.retrieval.embed.open import found
from edgellm.retrieval.embed.source import EmbedderSource, read_source
from edgellm.retrieval.embed.twin import find_or_make_twin
from edgellm.retrieval.values import EmbedderIdentity


def gather_embedders(identities: Iterable[EmbedderIdentity]) -> tuple[list[BundledEmbedder], list[Part]]:
    """The embedders that can be found by their names; one that is only a folder somewhere is left out."""
    embedders: list[BundledEmbedder] = []
    parts: list[Part] = []
    for identity in dict.fromkeys(identities):
        source = _source(identity.name)
        if source is None or source.identity != identity:
            continue
        files = []
        for name in EMBEDDER_FILES:
            if (source.folder.path / name).is_file():
                path = f"embedder-{len(parts) + 1}{Path(name).suffix}"
                files.append(EmbedderFile(path=path, name=name))
                parts.append(Part(path=path, content=source.folder.path / name))
        embedders.append(BundledEmbedder(name=identity.name, sha256=identity.sha256, files=tuple(files)))
    return embedders, parts


def folder_name(embedder: BundledEmbedder) -> str:
    """What its folder is called among this machine's embedders."""
    return f"{embedder.name}-{embedder.sha256[:12]}"


def check_embedder(folder: Path, embedder: BundledEmbedder) -> None:
    """Raises: ModelRejected for a folder that cannot be used; InvalidInput when it holds other weights than it says."""
    if read_source(folder, embedder.name).identity.sha256 != embedder.sha256:
        raise unusable(f"its embedder {embedder.name!r} has other weights than it says")


def place_embedder(
    home: Home, folder: Path, embedder: BundledEmbedder, undo: ExitStack, on_make: Callable[[], None]
) -> None:
    """Give a checked folder its place, and make its twin, which proves it; nothing is done when it is here already.

    `on_make` is called before a twin is made, which takes a while.
    Raises: ModelRejected when llama.cpp computes other vectors than the folder's numbers say; DiskFull.
    """
    here = _source(embedder.name)
    if here is not None and here.identity.sha256 == embedder.sha256:
        return
    target = home.embedders / folder_name(embedder)
    if not target.exists():
        put_in_place(folder, target)
        undo.callback(shutil.rmtree, target)
    find_or_make_twin(read_source(target, embedder.name), home.embedders, on_make)


def _source(name: str) -> EmbedderSource | None:
    """The embedder that a name means on this machine; None: there is none."""
    with suppress(EdgeLLMError):
        return read_source(*found(name))
    return None
