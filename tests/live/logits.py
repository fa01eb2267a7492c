"""Next-token logits of a file or a model, and how far two of them are apart."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from edgellm.engine.llama.library import lib
from edgellm.train.base import open_base
from edgellm.train.ragged import Layout, Rows

Logits = NDArray[np.float32]
"""(tokens, vocabulary)."""
_F32 = 0
_NO_FLASH_ATTENTION = 0


def llama_logits(path: Path, tokens: Sequence[int], context_tokens: int = 256, adapter: Path | None = None) -> Logits:
    """llama.cpp's, with a KV cache in float32 and an adapter attached."""
    parameters = lib.llama_model_default_params()
    parameters.n_gpu_layers = 0
    model = lib.llama_model_load_from_file(str(path).encode(), parameters)
    assert model, f"llama.cpp does not open {path}"
    context = lib.llama_init_from_model(model, _context_parameters(context_tokens))
    assert context
    if adapter is not None:
        found_adapter = lib.llama_adapter_lora_init(model, str(adapter).encode())
        adapters = (lib.llama_adapter_lora_p_ctypes * 1)(found_adapter)
        assert lib.llama_set_adapters_lora(context, adapters, 1, (ctypes.c_float * 1)(1.0)) == 0
    batch = lib.llama_batch_init(len(tokens), 0, 1)
    for place, token in enumerate(tokens):
        batch.token[place], batch.pos[place], batch.logits[place] = token, place, 1
        batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
    batch.n_tokens = len(tokens)
    assert lib.llama_decode(context, batch) == 0
    vocabulary = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    pointer = ctypes.cast(lib.llama_get_logits(context), ctypes.POINTER(ctypes.c_float))
    found = np.ctypeslib.as_array(pointer, (len(tokens), vocabulary)).copy()
    lib.llama_batch_free(batch)
    lib.llama_free(context)
    lib.llama_model_free(model)
    return found


def _context_parameters(context_tokens: int) -> Any:
    parameters = lib.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = context_tokens
    parameters.type_k = parameters.type_v = _F32
    parameters.flash_attn_type = _NO_FLASH_ATTENTION
    parameters.n_threads = parameters.n_threads_batch = 1
    return parameters


def mlx_logits(model: Any, tokens: Sequence[int]) -> Logits:
    """mlx_lm's."""
    return np.array(model(mx.array(list(tokens))[None])[0].astype(mx.float32))


def decoder_logits(path: Path, tokens: Sequence[int]) -> Logits:
    """Those of the decoder that is trained."""
    model = open_base(path)
    rows = Rows(Layout(shared=0, own=(len(tokens),)))
    return np.array(model.head(model.run(model.embed(mx.array(list(tokens))), rows)))


def kl(ours: Logits, theirs: Logits) -> float:
    """The largest KL divergence of a position's next-token distributions."""
    p, q = _log_softmax(ours), _log_softmax(theirs)
    return float((np.exp(p) * (p - q)).sum(axis=-1).max())


def _log_softmax(logits: Logits) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    normal: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normal
