"""LoRA adapters: checked, loaded once each, switched between decode calls, freed when nobody needs them."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgellm.adapter_header import read_adapter_header, unusable
from edgellm.engine.llama import library
from edgellm.engine.llama.library import lib
from edgellm.errors import InvalidInput

MOST_IDLE = 4
"""Adapters that stay loaded although no request uses them."""


@dataclass(slots=True)
class _Loaded:
    handle: Any
    users: int = 0


class Adapters:
    """The adapters of one model, by version: what a file held when it was opened.

    Versions in use stay loaded; of the others the `MOST_IDLE` used last. llama.cpp frees the rest with the model.
    """

    def __init__(self, model: Any, context: Any, architecture: str) -> None:
        self._model = model
        self._context = context
        self._architecture = architecture
        self._loaded: dict[str, _Loaded] = {}  # least recently used first
        self._active: str | None = None

    def open(self, path: str) -> str:
        """The version that is at `path` now, loaded and with one user more. Raises: InvalidInput."""
        version = version_of(path)
        loaded = self._loaded.pop(version, None) or self._load(path, version)
        loaded.users += 1
        self._loaded[version] = loaded
        self._free_idle()
        return version

    def close(self, version: str) -> None:
        """One user fewer."""
        loaded = self._loaded[version] = self._loaded.pop(version)
        loaded.users -= 1
        self._free_idle()

    def use(self, version: str | None) -> None:
        """Compute with an open version from now on; None is the plain model. Raises: InvalidInput."""
        if version == self._active:
            return
        if version is not None and version not in self._loaded:
            raise InvalidInput(f"The adapter version {version!r} is not open.", field="adapter", value=version)
        chosen = [] if version is None else [self._loaded[version].handle]
        handles = (lib.llama_adapter_lora_p_ctypes * max(1, len(chosen)))(*chosen)
        scales = (ctypes.c_float * max(1, len(chosen)))(*[1.0] * len(chosen))
        lib.llama_set_adapters_lora(self._context, handles, len(chosen), scales)
        self._active = version

    def _free_idle(self) -> None:
        idle = [version for version, loaded in self._loaded.items() if not loaded.users]
        for version in idle[:-MOST_IDLE]:
            if version == self._active:
                lib.llama_synchronize(self._context)  # a GPU may still compute with it
                self.use(None)
            lib.llama_adapter_lora_free(self._loaded.pop(version).handle)

    def _load(self, path: str, version: str) -> _Loaded:
        self._check(path)
        library.forget_complaints()
        adapter = lib.llama_adapter_lora_init(self._model, os.fsencode(path))
        if not adapter:
            raise unusable(path, library.complaints() or "llama.cpp gave no reason")
        try:
            if version_of(path) != version:
                raise unusable(path, "it was replaced while it was read")
        except InvalidInput:
            lib.llama_adapter_lora_free(adapter)
            raise
        return _Loaded(adapter)

    def _check(self, path: str) -> None:
        """Look at the file in Python first, so that a damaged one never reaches C code."""
        header = read_adapter_header(Path(path))
        if header.architecture != self._architecture:
            raise unusable(path, f"general.architecture is {header.architecture!r}, not {self._architecture!r}")
        header.check_values()


def version_of(path: str) -> str:
    """A name for what the file holds now; the same file under another path has the same. Raises: InvalidInput.

    The change time is part of it: unlike the modification time, no program can set it back.
    """
    try:
        facts = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise unusable(path, str(error)) from error
    return f"{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns:x}-{facts.st_ctime_ns:x}"
