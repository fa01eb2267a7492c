"""The weights of a BERT folder by llama.cpp's names, every one that the shape needs and no other."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edgellm.export.convert.refusal import refuse
from edgellm.export.convert.safetensors import Entry
from edgellm.retrieval.embed.source import BertShape, EmbedderSource

_OUTER = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm.weight": "token_embd_norm.weight",
    "embeddings.LayerNorm.bias": "token_embd_norm.bias",
}
_INNER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
_LAYER = re.compile(r"encoder\.layer\.(0|[1-9]\d{0,4})\.(.+)\.(weight|bias)")
_UNUSED = re.compile(r"pooler\..+|cls\..+|embeddings\.position_ids")
"""The head of pre-training, and positions counted in a table."""


def read_weights(source: EmbedderSource) -> dict[str, Entry]:
    """Where each tensor lies, by llama.cpp's name, in the order of the file to be. Raises: ModelRejected."""
    folder, found = source.folder, dict[str, Entry]()
    for name, entry in folder.tensors.items():
        bare = name.removeprefix("bert.")
        if not _UNUSED.fullmatch(bare):
            ours = gguf_name(bare)
            if ours is None or ours in found:
                refuse(folder.path, f"tensor {name!r} does not belong to a BERT encoder, or is there twice")
            found[ours] = entry
    wanted = shapes(source.shape)
    for name, shape in wanted.items():
        if name not in found:
            refuse(folder.path, f"it has no tensor for {name!r}")
        if found[name].shape != shape:
            refuse(folder.path, f"the tensor for {name!r} has the shape {found[name].shape}, not {shape}")
    if extra := sorted(set(found) - set(wanted)):
        refuse(folder.path, f"it has a tensor for {extra[0]!r}, beyond the {source.shape.layers} layers of config.json")
    return {name: found[name] for name in wanted}


def gguf_name(name: str) -> str | None:
    """llama.cpp's name of a tensor; None for one that BERT has not."""
    if match := _LAYER.fullmatch(name):
        inner = _INNER.get(match[2])
        return f"blk.{match[1]}.{inner}.{match[3]}" if inner else None
    return _OUTER.get(name)


def shapes(shape: BertShape) -> Mapping[str, tuple[int, ...]]:
    """Every tensor's shape, slowest-varying dimension first."""
    width, inner = (shape.width,), (shape.feed_forward,)
    found: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (shape.vocabulary, *width),
        "position_embd.weight": (shape.positions, *width),
        "token_types.weight": (shape.types, *width),
        "token_embd_norm.weight": width,
        "token_embd_norm.bias": width,
    }
    for layer in range(shape.layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            found |= {f"blk.{layer}.{name}.weight": width * 2, f"blk.{layer}.{name}.bias": width}
        found |= {f"blk.{layer}.ffn_up.weight": inner + width, f"blk.{layer}.ffn_up.bias": inner}
        found |= {f"blk.{layer}.ffn_down.weight": width + inner, f"blk.{layer}.ffn_down.bias": width}
        for name in ("attn_output_norm", "layer_output_norm"):
            found |= {f"blk.{layer}.{name}.weight": width, f"blk.{layer}.{name}.bias": width}
    return found
