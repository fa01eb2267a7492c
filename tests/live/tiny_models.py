"""Tiny random models: plain attention (Llama), a sliding window (Gemma 3), a state (Mamba)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.ggufs import ARRAY, F32, GGUF, Tensor, string, strings, u32

LAYERS, WIDTH, INNER, VOCABULARY = 6, 64, 128, 96
HEADS, HEAD, WINDOW = 4, 32, 16
KERNEL, STATE, RANK = 4, 16, 4
I32 = 5

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor names and shapes, fastest dimension first."""

DENSE_LAYER: Shapes = {
    "attn_norm.weight": (WIDTH,),
    "attn_q.weight": (WIDTH, HEADS * HEAD),
    "attn_k.weight": (WIDTH, HEAD),
    "attn_v.weight": (WIDTH, HEAD),
    "attn_output.weight": (HEADS * HEAD, WIDTH),
    "ffn_norm.weight": (WIDTH,),
    "ffn_gate.weight": (WIDTH, INNER),
    "ffn_up.weight": (WIDTH, INNER),
    "ffn_down.weight": (INNER, WIDTH),
}
WINDOWED_LAYER: Shapes = {
    "attn_norm.weight": (WIDTH,),
    "attn_q.weight": (WIDTH, HEADS * HEAD),
    "attn_k.weight": (WIDTH, HEAD),
    "attn_v.weight": (WIDTH, HEAD),
    "attn_q_norm.weight": (HEAD,),
    "attn_k_norm.weight": (HEAD,),
    "attn_output.weight": (HEADS * HEAD, WIDTH),
    "post_attention_norm.weight": (WIDTH,),
    "ffn_norm.weight": (WIDTH,),
    "ffn_gate.weight": (WIDTH, INNER),
    "ffn_up.weight": (WIDTH, INNER),
    "ffn_down.weight": (INNER, WIDTH),
    "post_ffw_norm.weight": (WIDTH,),
}
RECURRENT_LAYER: Shapes = {
    "attn_norm.weight": (WIDTH,),
    "ssm_in.weight": (WIDTH, 2 * INNER),
    "ssm_conv1d.weight": (KERNEL, INNER),
    "ssm_conv1d.bias": (INNER,),
    "ssm_x.weight": (INNER, RANK + 2 * STATE),
    "ssm_dt.weight": (RANK, INNER),
    "ssm_dt.bias": (INNER,),
    "ssm_a": (STATE, INNER),
    "ssm_d": (INNER,),
    "ssm_out.weight": (INNER, WIDTH),
}


DENSE_SIZES = {
    "attention.head_count": HEADS, "attention.head_count_kv": 1, "attention.key_length": HEAD,
    "attention.value_length": HEAD, "rope.dimension_count": HEAD,
}  # fmt: skip


def write_dense(path: Path) -> str:
    """A model whose layers see everything. Returns: its path."""
    return _write(path, "llama", DENSE_SIZES, DENSE_LAYER)


def write_whole(path: Path) -> str:
    """`write_dense` with a vocabulary and a chat template: a file that passes inspection. Returns: its path."""
    whole = {
        "tokenizer.ggml.model": string("llama"),
        "tokenizer.ggml.tokens": strings([f"t{number}" for number in range(VOCABULARY)]),
        "tokenizer.ggml.token_type": struct.pack(
            f"<IIQ{VOCABULARY}i", ARRAY, I32, VOCABULARY, 3, *[1] * (VOCABULARY - 1)
        ),
        "tokenizer.chat_template": string("{{ messages }}"),
    }
    return _write(path, "llama", DENSE_SIZES, DENSE_LAYER, whole)


def write_windowed(path: Path) -> str:
    """A model whose layers see `WINDOW` tokens, but for the last. Returns: its path."""
    sizes = {
        "attention.head_count": HEADS, "attention.head_count_kv": 1, "attention.key_length": HEAD,
        "attention.value_length": HEAD, "attention.sliding_window": WINDOW,
    }  # fmt: skip
    return _write(path, "gemma3", sizes, WINDOWED_LAYER)


def write_recurrent(path: Path) -> str:
    """A model whose memory is one state a sequence. Returns: its path."""
    sizes = {
        "attention.head_count": 0, "ssm.conv_kernel": KERNEL, "ssm.inner_size": INNER, "ssm.state_size": STATE,
        "ssm.time_step_rank": RANK,
    }  # fmt: skip
    return _write(path, "mamba", sizes, RECURRENT_LAYER)


def _write(
    path: Path, architecture: str, sizes: Mapping[str, int], layer: Shapes, more: Mapping[str, bytes] | None = None
) -> str:
    random = np.random.default_rng(3)
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (WIDTH, VOCABULARY), "output_norm.weight": (WIDTH,)}
    for number in range(LAYERS):
        shapes |= {f"blk.{number}.{name}": shape for name, shape in layer.items()}
    tensors, data = [], bytearray()
    for name, shape in shapes.items():
        array = np.ones(shape) if "norm" in name else random.normal(0, 0.3, tuple(reversed(shape)))
        raw = (-np.abs(array) if name.endswith("ssm_a") else array).astype(np.float32)
        tensors.append(Tensor(name, shape, offset=len(data), size=raw.nbytes))
        data += raw.tobytes() + bytes(-raw.nbytes % 32)
    GGUF(keys=_metadata(architecture, sizes) | dict(more or {}), tensors=tensors, data=bytes(data)).write(path)
    return str(path)


def _metadata(architecture: str, sizes: Mapping[str, int]) -> dict[str, bytes]:
    common = {
        "block_count": LAYERS, "context_length": 1024, "embedding_length": WIDTH, "feed_forward_length": INNER,
        "vocab_size": VOCABULARY,
    }  # fmt: skip
    return {
        "general.architecture": string(architecture),
        "general.name": string(f"Tiny {architecture}"),
        **{f"{architecture}.{key}": u32(value) for key, value in {**common, **sizes}.items()},
        f"{architecture}.attention.layer_norm_rms_epsilon": struct.pack("<If", F32, 1e-6),
        "tokenizer.ggml.model": string("none"),
    }
