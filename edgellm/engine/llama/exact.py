"""A model opened for measurement: F32 KV cache and plain attention, so that only its weights make a difference."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgellm.adapter_header import read_adapter_header, unusable
from edgellm.engine.config import EngineConfig
from edgellm.engine.llama import library, opening
from edgellm.engine.llama.batch import Batch
from edgellm.engine.llama.library import lib
from edgellm.engine.llama.vocabulary import Vocabulary
from edgellm.errors import EngineError, InvalidInput, ModelLoadFailed

CHUNK_TOKENS = 64
"""Positions computed at once; their logits are all kept, 40 MB for the largest vocabularies."""


class ExactModel:
    """One model, one sequence, one thread."""

    def __init__(self, path: str, adapter: str | None, context_tokens: int, watcher: Any = None) -> None:
        """`watcher`: a `ggml_backend_sched_eval_callback` that sees every tensor. Raises: ModelLoadFailed."""
        config = EngineConfig(model_path=path, context_tokens=context_tokens)
        self._model = opening.load_model(config)
        self.vocabulary = Vocabulary(self._model)
        self._watcher = watcher  # C holds its address
        self._context = self._open(config)
        self._memory = lib.llama_get_memory(self._context)
        self._batch = Batch(CHUNK_TOKENS, context_tokens)
        self._room = context_tokens
        self._held = 0
        if adapter is not None:
            self._attach(adapter)

    @property
    def template(self) -> str:
        """The file's own chat template; empty when it has none."""
        return library.text(lib.llama_model_chat_template(self._model, None))

    def forget(self) -> None:
        """Start a new text."""
        lib.llama_memory_clear(self._memory, False)
        self._held = 0

    def read(self, tokens: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """Continue the text; logits after every token, in chunks of (tokens, vocabulary), valid until the next one.

        Raises: InvalidInput for ids that the vocabulary lacks or a text longer than the context; EngineError.
        """
        self._check(tokens)
        for start in range(0, len(tokens), CHUNK_TOKENS):
            chunk = tokens[start : start + CHUNK_TOKENS]
            self._batch.fill([(0, self._held, chunk)])
            self._batch.want_all()
            library.forget_complaints()
            code = lib.llama_decode(self._context, self._batch.struct)
            if code != 0:
                raise EngineError(f"llama.cpp could not decode (code {code}): {library.complaints()}", code=code)
            self._held += len(chunk)
            pointer = lib.llama_get_logits(self._context)
            yield np.ctypeslib.as_array(pointer, (len(chunk), self.vocabulary.size))

    def close(self) -> None:
        """Free the context and the weights."""
        lib.llama_free(self._context)
        lib.llama_model_free(self._model)

    def _check(self, tokens: Sequence[int]) -> None:
        if not tokens or self._held + len(tokens) > self._room:
            raise InvalidInput(
                f"The text has {self._held + len(tokens)} tokens; here it must have 1 to {self._room}.", field="tokens"
            )
        self.vocabulary.checked(min(tokens))
        self.vocabulary.checked(max(tokens))

    def _open(self, config: EngineConfig) -> Any:
        params = lib.llama_context_default_params()
        params.n_ctx = config.context_tokens
        params.n_batch = params.n_ubatch = params.n_outputs_max = CHUNK_TOKENS
        params.n_threads = params.n_threads_batch = opening.compute_threads(config)
        params.type_k = params.type_v = lib.GGML_TYPE_F32
        params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.no_perf = True
        if self._watcher is not None:
            params.cb_eval = self._watcher
        library.forget_complaints()
        context = lib.llama_init_from_model(self._model, params)
        if not context:
            raise ModelLoadFailed(
                f"llama.cpp could not make a context for {config.model_path!r}: {library.complaints()}",
                path=config.model_path,
            )
        return context

    def _attach(self, path: str) -> None:
        read_adapter_header(Path(path))  # a damaged file never reaches C code
        library.forget_complaints()
        adapter = lib.llama_adapter_lora_init(self._model, os.fsencode(path))
        if not adapter:
            raise unusable(path, library.complaints() or "llama.cpp gave no reason")
        handles = (lib.llama_adapter_lora_p_ctypes * 1)(adapter)
        lib.llama_set_adapters_lora(self._context, handles, 1, (ctypes.c_float * 1)(1.0))
