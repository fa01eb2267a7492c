"""How one engine is set up; the engine knows no other settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KVType = Literal["f16", "q8_0"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Everything a worker needs to know besides the requests themselves."""

    model_path: str
    """The GGUF file; `fake:` in place of a path runs the built-in FakeBackend."""
    mode: Literal["generate", "embed"] = "generate"
    context_tokens: int = 4096
    """KV cells of the context, shared by all sequences; one request can use them all."""
    max_running: int = 8
    """Requests decoded together."""
    queue_limit: int = 64
    """Requests that may wait; one more is refused."""
    max_parked: int = 24
    """Finished sequences whose KV cells stay for later prompts with the same beginning."""
    kv_type: KVType = "f16"
    threads: int | None = None
    """Compute threads; None chooses by measurement."""
    gpu_layers: int | None = None
    """Layers on the GPU; None takes all when a GPU backend is compiled in."""
    batch_tokens: int = 512
    """Most tokens in one decode call."""
    step_target_s: float = 0.3
    """About the time a step takes while anyone is decoding; prefill chunks are cut to it."""
    solo_step_target_s: float = 0.5
    """About the time a step takes while nobody is decoding."""
    host_cache_bytes: int = 512 * 1024**2
    """Host memory for prefixes that were pushed out of the KV cache."""
    disk_cache_dir: str | None = None
    """Where conversations are saved; None saves none."""
    disk_cache_bytes: int = 2 * 1024**3
    use_prefix_cache: bool = True
