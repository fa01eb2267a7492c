"""Collections, embedders and the reranker, which stay open between questions."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from edgellm.errors import InvalidInput, RequestCancelled, StoreError
from edgellm.paths import Home

if TYPE_CHECKING:  # loaded by the first question that documents answer
    from edgellm.retrieval.collection import Collection
    from edgellm.retrieval.embed.embedder import TextEmbedder
    from edgellm.retrieval.embed.rerank import Reranker
    from edgellm.retrieval.values import EmbedderIdentity


class _Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V", bound=_Closable)


class Kept(Generic[K, V]):
    """What is opened once for each key. An opening that takes long keeps only those waiting who want the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._openings: dict[K, threading.Lock] = {}
        self._values: dict[K, V] = {}
        self._closings = 0

    def get(self, key: K, opening: Callable[[], V]) -> V:
        """What is open under this key. Raises: what `opening` raises; RequestCancelled when `close` came first."""
        with self._lock:
            alone, closings = self._openings.setdefault(key, threading.Lock()), self._closings
        with alone:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            opened = opening()
            with self._lock:
                if closings == self._closings:
                    self._values[key] = opened
                    return opened
        opened.close()
        raise RequestCancelled("EdgeLLM was closed before what searches documents was open.")

    def close(self) -> None:
        """Close everything, and what is being opened at this moment as soon as it is open."""
        with self._lock:
            self._closings += 1
            values, self._values = self._values, {}
        for value in values.values():
            value.close()


@dataclass(frozen=True, slots=True)
class _Held:
    collection: Collection
    file: tuple[int, int] | None
    """Device and inode: another file of the same name is another collection."""


class OpenCollections:
    """Opens each collection, each embedder and the reranker once. Thread-safe."""

    def __init__(self, home: Home, reranker: str = "") -> None:
        """`reranker`: folder of a cross-encoder; empty: there is none."""
        self._home = home
        self._reranker_folder = reranker
        self._lock = threading.Lock()
        self._collections: dict[str, _Held] = {}
        self._embedders: Kept[EmbedderIdentity, TextEmbedder] = Kept()
        self._rerankers: Kept[str, Reranker] = Kept()

    def use(self, name: str, work: Callable[[Collection], T]) -> T:
        """What `work` finds in the collection; opened again when that is what an error asks for.

        Raises: CollectionNotFound, StoreError and its kinds, and what `work` raises.
        """
        collection = self._collection(name)
        try:
            return work(collection)
        except StoreError:
            again = self._collection(name)
            if again is collection:
                raise
            return work(again)

    def embedder(self, identity: EmbedderIdentity) -> TextEmbedder:
        """What turns questions into vectors of this space. Raises: ModelNotFound, ModelRejected, InvalidInput."""
        from edgellm.retrieval.embed.recall import open_for

        return self._embedders.get(identity, lambda: open_for(identity, kept=self._home.embedders))

    @property
    def has_reranker(self) -> bool:
        """Whether the settings name one."""
        return bool(self._reranker_folder)

    def reranker(self) -> Reranker:
        """Scores question and passage together. Raises: InvalidInput, MissingExtra, ModelRejected, WorkerDied."""
        from edgellm.retrieval.embed.rerank import Reranker

        if not self.has_reranker:
            hint = "Name the folder of a cross-encoder: edgellm settings set reranker FOLDER"
            raise InvalidInput("The settings name no reranker.", hint=hint, field="mode")
        folder = self._reranker_folder
        return self._rerankers.get(folder, lambda: Reranker(Path(folder).expanduser()))

    def forget(self, name: str) -> None:
        """Close a collection, if it is open."""
        with self._lock:
            held = self._collections.pop(name, None)
        if held is not None:
            held.collection.close()

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            collections, self._collections = self._collections, {}
        self._rerankers.close()
        for held in collections.values():
            held.collection.close()
        self._embedders.close()

    def _collection(self, name: str) -> Collection:
        from edgellm.retrieval.shelf import CollectionShelf

        shelf = CollectionShelf(self._home)
        now = _file_at(shelf.path(name))
        with self._lock:
            held = self._collections.get(name)
            if held is not None and held.file == now and not held.collection.is_outdated:
                return held.collection
            self._collections.pop(name, None)
        if held is not None:
            held.collection.close()
        with self._lock:
            if name not in self._collections:
                self._collections[name] = _Held(shelf.open(name), now)
            return self._collections[name].collection


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
