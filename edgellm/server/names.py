"""The names of this machine's models, and what each caller may see of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgellm.errors import ModelNotFound
from edgellm.sdk.facade import EdgeLLM
from edgellm.server.caller import Caller
from edgellm.server.model_name import ModelName, resolve

FRESH_S = 2.0
"""A model that is installed meanwhile can be named after this time."""


class ServerNames:
    """Installed models, the one that the server was started with, adapters and aliases. Thread-safe.

    A client never names a file: a path counts as no name, and the server's own model is shown by its file's stem.
    """

    def __init__(self, edge: EdgeLLM, clock: Callable[[], float] = time.monotonic) -> None:
        self._edge = edge
        self._clock = clock
        self._lock = threading.Lock()
        self._bases = (float("-inf"), frozenset[str]())
        self.own = Path(edge.model).stem if edge.model.endswith(".gguf") else edge.model
        """The name of the server's own model."""

    def bases(self) -> frozenset[str]:
        """Models that may be named."""
        with self._lock:
            at, bases = self._bases
            if self._clock() - at >= FRESH_S:
                bases = frozenset({self.own, *(model.name for model in self._edge.models.list())})
                self._bases = (self._clock(), bases)
            return bases

    def target(self, alias: str) -> str:
        """What an alias stands for; any other name itself. Raises: StoreError."""
        return self._edge.aliases.resolve(alias)

    def has_collection(self, name: str) -> bool:
        """Whether there is a collection of this name."""
        from edgellm.retrieval.shelf import CollectionShelf  # what reads a collection is loaded when one is asked for

        return name in CollectionShelf(self._edge.home).names()

    def opened(self, name: ModelName) -> str:
        """What the SDK opens for a name."""
        return replace(name, base=self._edge.model).model if name.base == self.own else name.model

    def seen_by(self, caller: Caller) -> list[str]:
        """What a caller may name: models, models with their adapters, aliases; in this order."""
        models = self._edge.models.list()
        pairs = [
            f"{model.name}@{adapter.name}"
            for model in models
            for adapter in self._edge.adapters.list()
            if adapter.manifest.base.sha256 == model.sha256
        ]
        aliases = [alias.name for alias in self._edge.aliases.list()]
        every = dict.fromkeys([self.own, *(model.name for model in models), *pairs, *aliases])
        return [name for name in every if self._may_name(caller, name)]

    def _may_name(self, caller: Caller, name: str) -> bool:
        try:
            resolve(self, caller, name)
        except ModelNotFound:
            return False
        return True
