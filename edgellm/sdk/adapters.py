"""Adapters: what models on this machine were taught."""

from __future__ import annotations

import builtins
from pathlib import Path

from edgellm.hub.adapters import BaseRecord, InstalledAdapter, Shelf
from edgellm.hub.installed import InstalledModel, Library, sha256_of
from edgellm.hub.names import no_such_file
from edgellm.paths import Home


class Adapters:
    """Errors: AdapterNotFound, InvalidInput. Used as part of a model's name: `starter@lighthouse`."""

    def __init__(self, home: Home, library: Library) -> None:
        self._shelf = Shelf(home)
        self._library = library

    def list(self, model: InstalledModel | None = None) -> builtins.list[InstalledAdapter]:
        """All adapters, or those made for an installed model, by name."""
        return [
            adapter for adapter in self._shelf.list() if model is None or adapter.manifest.base.sha256 == model.sha256
        ]

    def get(self, name: str) -> InstalledAdapter:
        """One adapter by name."""
        return self._shelf.get(name)

    def remove(self, name: str) -> None:
        """Delete an adapter with all its files."""
        self._shelf.remove(name)

    def attach(self, file: str | Path, base: str, name: str | None = None) -> InstalledAdapter:
        """Take in a LoRA file in GGUF form that was made elsewhere for the model `base`.

        It is compared with the base: family, names and shapes of the weights that it changes. Whether it was trained on
        exactly this base, no file says.
        Raises: ModelNotFound, ModelRejected, DiskFull besides.
        """
        from edgellm.adapter_header import read_adapter_header  # deferred: only attaching reads headers
        from edgellm.gguf_header import read_header

        path, model = Path(file), self._library.find(base)
        if not path.is_file():
            raise no_such_file(str(file))
        self._library.inspect(model.path)
        header = read_header(model.path)
        adapter = read_adapter_header(path)
        adapter.check_base(header)
        adapter.check_values()
        record = BaseRecord(
            name=model.reference, sha256=model.sha256 or sha256_of(model.path), architecture=header.architecture
        )
        return self._shelf.attach(path, record, name)
