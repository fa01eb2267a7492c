"""A GGUF's metadata as the config.json of a Hugging Face or MLX folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgellm.errors import ModelRejected
from edgellm.export.convert.config import Config
from edgellm.export.convert.families import GEMMA_27B_LAYERS, GEMMA_PERIOD
from edgellm.export.convert.rope import LLAMA3_FACTORS, LONG_FACTORS, SHORT_FACTORS, Rotation, read_rotation
from edgellm.gguf_header import GGUFHeader

CLASSES: Mapping[str, tuple[str, str]] = {
    "llama": ("llama", "LlamaForCausalLM"),
    "qwen2": ("qwen2", "Qwen2ForCausalLM"),
    "qwen3": ("qwen3", "Qwen3ForCausalLM"),
    "gemma3": ("gemma3_text", "Gemma3ForCausalLM"),
    "phi3": ("phi3", "Phi3ForCausalLM"),
}
"""model_type and class of transformers, by GGUF architecture."""
_TRAINED = tuple(2**power for power in range(5, 18))
"""Contexts that a Llama 3 may have been trained with before it was stretched."""
_CLOSE = 1e-4


def folder_config(header: GGUFHeader, factors: Mapping[str, Sequence[float]], dtype: str) -> dict[str, Any]:
    """config.json's content.

    Args:
        factors: the file's rope tensors by name.
        dtype: what the weights are stored as, in PyTorch's words.

    Raises: ModelRejected for a family or a setting that has no form there.
    """
    architecture = header.architecture
    if architecture not in CLASSES:
        raise _unusable(header, f"the family {architecture!r}; {', '.join(CLASSES)} have a folder form")
    keys = Config(header.path, _own_keys(header))
    kind, name = CLASSES[architecture]
    width, heads = keys.whole("embedding_length"), keys.whole("attention.head_count")
    head_width = keys.whole("attention.key_length", width // heads)
    if keys.whole("attention.value_length", head_width) != head_width:
        raise _unusable(header, "values of another width than its keys")
    config: dict[str, Any] = {
        "architectures": [name],
        "model_type": kind,
        "hidden_size": width,
        "intermediate_size": keys.whole("feed_forward_length"),
        "num_hidden_layers": keys.whole("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": keys.whole("attention.head_count_kv", heads),
        "head_dim": head_width,
        "max_position_embeddings": keys.whole("context_length"),
        "rms_norm_eps": shortest(keys.real("attention.layer_norm_rms_epsilon")),
        "rope_theta": shortest(keys.real("rope.freq_base", 10_000.0)),
        "vocab_size": next(tensor.shape[1] for tensor in header.tensors if tensor.name == "token_embd.weight"),
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in header.tensors),
        "hidden_act": "silu",
        "attention_bias": architecture == "qwen2",
        "torch_dtype": dtype,
        **_special(header),
        **_rope(header, keys, factors, head_width),
    }
    if architecture == "gemma3":
        config |= _gemma(header, keys, width, heads, head_width)
    return config


def generation_config(header: GGUFHeader, ends: Sequence[int]) -> dict[str, Any]:
    """generation_config.json's content: where answers end. Without it Gemma 3 and Phi 3 talk on behind their turn.

    Args:
        ends: all tokens that end an answer.
    """
    own = header.integer("tokenizer.ggml.eos_token_id")
    found: dict[str, Any] = dict(_special(header))
    return found | {"eos_token_id": sorted(ends, key=lambda token: token != own)}


def shortest(value: float) -> float:
    """The shortest decimal that is the same float32: 1e-05 instead of 9.999999747378752e-06."""
    return float(f"{value:.7g}")


def _own_keys(header: GGUFHeader) -> dict[str, Any]:
    prefix = f"{header.architecture}."
    return {key.removeprefix(prefix): value for key, value in header.metadata.items() if key.startswith(prefix)}


def _unusable(header: GGUFHeader, what: str) -> ModelRejected:
    return ModelRejected(
        f"{str(header.path)!r} has {what}; it cannot be written as a folder.",
        hint="Export it as GGUF.",
        path=str(header.path),
    )


def _special(header: GGUFHeader) -> dict[str, int]:
    found = {role: header.integer(f"tokenizer.ggml.{name}_token_id") for role, name in (("bos", "bos"), ("eos", "eos"))}
    return {f"{role}_token_id": number for role, number in found.items() if number is not None}


def _rope(header: GGUFHeader, keys: Config, factors: Mapping[str, Sequence[float]], head_width: int) -> dict[str, Any]:
    turned = keys.whole("rope.dimension_count", head_width)
    found: dict[str, Any] = {}
    if header.architecture == "phi3" and turned != head_width:
        found["partial_rotary_factor"] = turned / head_width
    elif turned != head_width:
        raise _unusable(header, f"a rotation of {turned} of {head_width} numbers of a head")
    kind = keys.text("rope.scaling.type", "linear")
    if LLAMA3_FACTORS in factors:
        return found | {"rope_scaling": _llama3(header, keys, factors[LLAMA3_FACTORS], head_width)}
    if SHORT_FACTORS in factors and LONG_FACTORS in factors:
        return found | _long(keys, factors)
    if kind == "linear" and (factor := keys.real("rope.scaling.factor", 1.0)) != 1:
        return found | {"rope_scaling": {"type": "linear", "rope_type": "linear", "factor": shortest(factor)}}
    if kind not in ("linear", "none"):
        raise _unusable(header, f"the rope scaling {kind!r}")
    return found


def _llama3(header: GGUFHeader, keys: Config, factors: Sequence[float], head_width: int) -> dict[str, Any]:
    """The setting that gives these factors, among those that models are published with."""
    for trained in _TRAINED:
        setting = {
            "rope_type": "llama3",
            "factor": shortest(max(factors)),
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": trained,
        }
        table = {"rope_theta": keys.real("rope.freq_base", 10_000.0), "rope_scaling": setting}
        again: Rotation = read_rotation(Config(header.path, table), "llama", head_width)
        if all(math.isclose(a, b, rel_tol=_CLOSE) for a, b in zip(again.tensors[LLAMA3_FACTORS], factors, strict=True)):
            return setting
    raise _unusable(header, f"rope factors that no known setting gives ({LLAMA3_FACTORS})")


def _long(keys: Config, factors: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """LongRoPE; the longest text is the one that gives the file's factor for queries and keys."""
    trained = keys.whole("rope.scaling.original_context_length", 4096)
    magnitude = keys.real("rope.scaling.attn_factor", 1.0)
    stretch = math.exp((magnitude**2 - 1) * math.log(trained))
    return {
        "original_max_position_embeddings": trained,
        "max_position_embeddings": max(round(trained * stretch), trained),
        "rope_scaling": {
            "type": "longrope",
            "long_factor": [shortest(value) for value in factors[LONG_FACTORS]],
            "short_factor": [shortest(value) for value in factors[SHORT_FACTORS]],
        },
    }


def _gemma(header: GGUFHeader, keys: Config, width: int, heads: int, head_width: int) -> dict[str, Any]:
    layers, period = keys.whole("block_count"), keys.whole("attention.sliding_window_pattern", GEMMA_PERIOD)
    if keys.has("final_logit_softcapping"):
        raise _unusable(header, "capped logits")
    return {
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_act": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": width // heads if layers == GEMMA_27B_LAYERS else head_width,
        "sliding_window": keys.whole("attention.sliding_window"),
        "sliding_window_pattern": period,
        "layer_types": ["full_attention" if (n + 1) % period == 0 else "sliding_attention" for n in range(layers)],
        "rope_local_base_freq": shortest(keys.real("rope.freq_base_swa", 10_000.0)),
    }
