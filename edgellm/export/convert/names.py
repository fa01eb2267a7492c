"""Names of tensors: Hugging Face's and MLX's on one side, GGUF's on the other."""

from __future__ import annotations

import re
from collections.abc import Mapping

_EVERY_FAMILY = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}
_APART = {
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
}
_FUSED = {"self_attn.qkv_proj.weight": "attn_qkv.weight", "mlp.gate_up_proj.weight": "ffn_up.weight"}
_BIASES = {
    "self_attn.q_proj.bias": "attn_q.bias",
    "self_attn.k_proj.bias": "attn_k.bias",
    "self_attn.v_proj.bias": "attn_v.bias",
}
_HEAD_NORMS = {"self_attn.q_norm.weight": "attn_q_norm.weight", "self_attn.k_norm.weight": "attn_k_norm.weight"}
_TWO_NORMS = {"post_attention_layernorm.weight": "ffn_norm.weight"}
_FOUR_NORMS = {
    "post_attention_layernorm.weight": "post_attention_norm.weight",
    "pre_feedforward_layernorm.weight": "ffn_norm.weight",
    "post_feedforward_layernorm.weight": "post_ffw_norm.weight",
}
LAYER_NAMES: Mapping[str, Mapping[str, str]] = {
    "llama": {**_EVERY_FAMILY, **_APART, **_TWO_NORMS},
    "qwen2": {**_EVERY_FAMILY, **_APART, **_TWO_NORMS, **_BIASES},
    "qwen3": {**_EVERY_FAMILY, **_APART, **_TWO_NORMS, **_HEAD_NORMS},
    "gemma3": {**_EVERY_FAMILY, **_APART, **_FOUR_NORMS, **_HEAD_NORMS},
    "phi3": {**_EVERY_FAMILY, **_FUSED, **_TWO_NORMS},
}
"""Names inside a layer, by GGUF architecture."""
OUTER_NAMES: Mapping[str, str] = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}

_LAYER = re.compile(r"model\.layers\.(0|[1-9]\d{0,4})\.(.+)")
_BLOCK = re.compile(r"blk\.(\d+)\.(.+)")
_COMPUTED = re.compile(r".*\.rotary_emb\.inv_freq")
"""Saved by old versions of transformers; follows from the configuration."""
_PICTURES = re.compile(r"(model\.)?(vision_tower|multi_modal_projector)\..+")
_TEXT_PREFIX = re.compile(r"^(model\.language_model\.|language_model\.model\.)")


def gguf_name(name: str, architecture: str) -> str | None:
    """GGUF's name; None for a tensor that does not belong to the text model.

    Raises: KeyError for a tensor that the architecture has not.
    """
    if _COMPUTED.fullmatch(name) or (architecture == "gemma3" and _PICTURES.fullmatch(name)):
        return None
    if architecture == "gemma3":
        name = _TEXT_PREFIX.sub("model.", name).removeprefix("language_model.")
    if match := _LAYER.fullmatch(name):
        return f"blk.{match[1]}.{LAYER_NAMES[architecture][match[2]]}"
    return OUTER_NAMES[name]


def folder_name(name: str, architecture: str) -> str:
    """The name in a Hugging Face or MLX folder. Raises: KeyError for a tensor that the architecture has not."""
    if match := _BLOCK.fullmatch(name):
        inner = {ours: theirs for theirs, ours in LAYER_NAMES[architecture].items()}
        return f"model.layers.{match[1]}.{inner[match[2]]}"
    return {ours: theirs for theirs, ours in OUTER_NAMES.items()}[name]
