"""LoRA adapters: checked, loaded once, switched between decode calls."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

from edgellm.engine.llama import library
from edgellm.engine.llama.library import lib
from edgellm.errors import InvalidInput, ModelRejected
from edgellm.gguf_header import read_header


class Adapters:
    """The adapters of one model. llama.cpp frees them together with the model."""

    def __init__(self, model: Any, architecture: str) -> None:
        self._model = model
        self._architecture = architecture
        self._loaded: dict[str, Any] = {}
        self._active: str | None = None

    def use(self, context: Any, path: str | None) -> None:
        """Compute with the adapter at `path` from now on; None is the plain model. Raises: InvalidInput."""
        if path == self._active:
            return
        chosen = [] if path is None else [self._loaded.get(path) or self._load(path)]
        handles = (lib.llama_adapter_lora_p_ctypes * max(1, len(chosen)))(*chosen)
        scales = (ctypes.c_float * max(1, len(chosen)))(*[1.0] * len(chosen))
        lib.llama_set_adapters_lora(context, handles, len(chosen), scales)
        self._active = path

    def _load(self, path: str) -> Any:
        self._check(path)
        library.forget_complaints()
        adapter = lib.llama_adapter_lora_init(self._model, os.fsencode(path))
        if not adapter:
            raise _refused(path, library.complaints() or "llama.cpp gave no reason")
        self._loaded[path] = adapter
        return adapter

    def _check(self, path: str) -> None:
        """Look at the header in Python first, so that a damaged file never reaches C code."""
        try:
            header = read_header(Path(path))
        except (ModelRejected, OSError) as error:
            raise _refused(path, str(error)) from error
        expected = {
            "general.type": "adapter",
            "adapter.type": "lora",
            "general.architecture": self._architecture,
        }
        for key, value in expected.items():
            if header.text(key) != value:
                raise _refused(path, f"{key} is {header.text(key)!r}, not {value!r}")


def _refused(path: str, reason: str) -> InvalidInput:
    return InvalidInput(
        f"The adapter {path!r} cannot be used: {reason}.",
        hint="An adapter is a LoRA GGUF file made for this model.",
        field="adapter",
        path=path,
    )
