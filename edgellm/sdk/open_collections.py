"""Collections and embedders that stay open between questions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from edgellm.errors import StoreError
from edgellm.paths import Home

if TYPE_CHECKING:  # loaded by the first question that documents answer
    from edgellm.retrieval.collection import Collection
    from edgellm.retrieval.embed.embedder import TextEmbedder
    from edgellm.retrieval.values import EmbedderIdentity

T = TypeVar("T")


class OpenCollections:
    """Opens each collection and each embedder once. Thread-safe."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._collections: dict[str, Collection] = {}
        self._embedders: dict[EmbedderIdentity, TextEmbedder] = {}

    def use(self, name: str, work: Callable[[Collection], T]) -> T:
        """What `work` finds in the collection; opened again when its file was replaced meanwhile.

        Raises: CollectionNotFound, StoreError and its kinds, and what `work` raises.
        """
        try:
            return work(self._collection(name))
        except StoreError:
            if not self.forget(name):
                raise
            return work(self._collection(name))

    def embedder(self, identity: EmbedderIdentity) -> TextEmbedder:
        """What turns questions into vectors of this space. Raises: ModelNotFound, ModelRejected, InvalidInput."""
        from edgellm.retrieval.embed.recall import open_for

        with self._lock:
            if identity not in self._embedders:
                self._embedders[identity] = open_for(identity, kept=self._home.embedders)
            return self._embedders[identity]

    def forget(self, name: str) -> bool:
        """Close a collection; whether it was open."""
        with self._lock:
            collection = self._collections.pop(name, None)
        if collection is not None:
            collection.close()
        return collection is not None

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            collections, self._collections = self._collections, {}
            embedders, self._embedders = self._embedders, {}
        for collection in collections.values():
            collection.close()
        for embedder in embedders.values():
            embedder.close()

    def _collection(self, name: str) -> Collection:
        from edgellm.retrieval.shelf import CollectionShelf

        shelf = CollectionShelf(self._home)
        with self._lock:
            held = self._collections.get(name)
            if held is not None and held.path.exists():
                return held
            if held is not None:  # it was removed; what is open is no longer what has the name
                self._collections.pop(name).close()
            found = self._collections[name] = shelf.open(name)
            return found
