"""Opening a model file and a context in it: which of llama.cpp's parameters EdgeLLM sets, and why."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from edgellm.engine.config import EngineConfig
from edgellm.engine.llama import library
from edgellm.engine.llama.library import lib
from edgellm.errors import InvalidInput, ModelLoadFailed

MAX_SEQUENCES = 256
"""llama.cpp's own limit (LLAMA_MAX_SEQ)."""
SPARE_SEQUENCES = 4
"""Ids beyond running and parked ones: forks of a prompt, thread measurement."""
MAX_DEFAULT_THREADS = 16
"""Decoding is bound by memory bandwidth; more threads than this mostly wait for each other."""

LEAST = {"context_tokens": 1, "max_running": 1, "max_parked": 0, "batch_tokens": 1, "threads": 1}
MOST = 2**31 - 1
"""llama.cpp counts in 32 bits; a larger number would become another one on the way."""
CPU_TILE_TOKENS = 64
"""GGML_FA_TILE_Q: from so many tokens on, attention on a CPU takes them together, which costs a sixth less each."""

Progress = Callable[[float], None]
_KV_TYPES = {"f16": lib.GGML_TYPE_F16, "q8_0": lib.GGML_TYPE_Q8_0}


def compute_threads(config: EngineConfig) -> int:
    """What the config says, otherwise the physical cores this process may use, at most `MAX_DEFAULT_THREADS`.

    Hyper-threads and threads beyond a container's share only make the others wait at llama.cpp's barriers.
    """
    if config.threads is not None:
        return config.threads
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    physical = psutil.cpu_count(logical=False) or usable
    return max(1, min(physical, usable, _container_share(), MAX_DEFAULT_THREADS))


def _container_share(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Whole processors that the control group allows; `MAX_DEFAULT_THREADS` when it sets no limit."""
    try:
        quota, period = path.read_text().split()
    except OSError:  # no control groups here
        return MAX_DEFAULT_THREADS
    return MAX_DEFAULT_THREADS if quota == "max" else max(1, int(quota) // int(period))


def gpu_layers(config: EngineConfig) -> int:
    """Layers to offload: what the config says, otherwise all (-1) when there is a GPU, else none."""
    if config.gpu_layers is not None:
        return config.gpu_layers
    return -1 if library.offloads() else 0


def sequences(model: Any, config: EngineConfig) -> int:
    """How many sequence ids the context needs; few where each one has a recurrent state of its own, used or not."""
    has_states = lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model)
    parked = 0 if has_states else config.max_parked
    return min(MAX_SEQUENCES, config.max_running + parked + SPARE_SEQUENCES)


def load_model(config: EngineConfig, on_progress: Progress | None = None) -> Any:
    """The weights, memory-mapped. Raises: ModelLoadFailed."""
    params = lib.llama_model_default_params()
    params.n_gpu_layers = gpu_layers(config)
    params.load_mode = lib.LLAMA_LOAD_MODE_MMAP
    watcher = lib.llama_progress_callback(_reporting(on_progress))  # must live until the call returns
    params.progress_callback = watcher
    library.forget_complaints()
    model = lib.llama_model_load_from_file(os.fsencode(config.model_path), params)
    if not model:
        raise _failure(f"llama.cpp could not open {config.model_path!r}", config)
    return model


def _reporting(on_progress: Progress | None) -> Callable[[float, int | None], bool]:
    def report(fraction: float, _user_data: int | None) -> bool:
        if on_progress is not None:
            on_progress(fraction)
        return True  # False would stop the loading

    return report


def open_context(model: Any, config: EngineConfig) -> Any:
    """A context for text generation: one KV cache for all sequences. Raises: ModelLoadFailed."""
    params = _context_params(config)
    params.n_ctx = config.context_tokens
    params.n_batch = params.n_ubatch = min(config.batch_tokens, config.context_tokens)
    params.n_seq_max = sequences(model, config)
    params.n_outputs_max = params.n_seq_max  # one output row a sequence; the default is one a token
    params.type_k = params.type_v = _KV_TYPES[config.kv_type]
    params.swa_full = True  # a sliding-window cache forgets positions that a shared prefix still needs
    return _new_context(model, params, config)


def watch(context: Any, flag: Any) -> None:
    """Let llama.cpp end a decode when the first byte of `flag`, a C buffer of two bytes, is not 0.

    The question is asked between any two operations of the graph, a thousand times a step, so the answer comes from C:
    `strlen` of the flag is 0 or 1. A Python callback would cost a tenth of a step and wait for other threads' Python.
    """
    answer = ctypes.cast(ctypes.CDLL(None).strlen, lib.ggml_abort_callback)
    lib.llama_set_abort_callback(context, answer, ctypes.cast(flag, ctypes.c_void_p))


def open_embedding_context(model: Any, config: EngineConfig) -> Any:
    """A context that pools token states into one vector a text; the model's own pooling, mean when it names none."""
    params = _context_params(config)
    params.n_ctx = min(config.context_tokens, lib.llama_model_n_ctx_train(model))
    params.n_batch = params.n_ubatch = params.n_outputs_max = params.n_ctx  # a text is never split
    params.n_seq_max = min(MAX_SEQUENCES, params.n_ctx)
    params.embeddings = True
    context = _new_context(model, params, config)
    pooling = lib.llama_pooling_type(context)
    if pooling == lib.LLAMA_POOLING_TYPE_RANK:
        lib.llama_free(context)
        raise ModelLoadFailed(
            f"{config.model_path!r} is a reranker: it scores pairs of texts and gives no vectors.",
            hint="Choose an embedding model.",
        )
    if pooling != lib.LLAMA_POOLING_TYPE_NONE:
        return context
    lib.llama_free(context)
    params.pooling_type = lib.LLAMA_POOLING_TYPE_MEAN
    return _new_context(model, params, config)


def _context_params(config: EngineConfig) -> Any:
    params = lib.llama_context_default_params()
    params.n_threads = params.n_threads_batch = compute_threads(config)
    params.kv_unified = True
    params.no_perf = True
    return params


def _new_context(model: Any, params: Any, config: EngineConfig) -> Any:
    library.forget_complaints()
    context = lib.llama_init_from_model(model, params)
    if not context:
        raise _failure(f"llama.cpp could not make a context of {params.n_ctx} tokens for {config.model_path!r}", config)
    return context


def _failure(what: str, config: EngineConfig) -> ModelLoadFailed:
    said = library.complaints() or "it gave no reason"
    return ModelLoadFailed(
        f"{what}: {said}.",
        hint="Check the file with `edgellm models verify`, or choose a smaller context.",
        path=config.model_path,
        context_tokens=config.context_tokens,
    )


def checked(config: EngineConfig) -> EngineConfig:
    """`config` itself. Raises: InvalidInput for numbers llama.cpp would abort on."""
    for field, least in LEAST.items():
        value = getattr(config, field)
        if value is not None and not least <= value <= MOST:
            raise InvalidInput(f"{field} is {value}; it must be {least} to {MOST}.", field=field, value=value)
    return config
