"""Tiny random models of every family, as the folders that mlx_lm opens."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten, tree_map_with_path

from edgellm.export.convert.probe import TEXTS

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGED_TOKENS = 700
VOCABULARY = 720
"""More than the tokenizer has, as in real models."""

_SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 512,
    "rope_theta": 10_000.0,
    "tie_word_embeddings": False,
}
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
_LINEAR = {"rope_type": "linear", "factor": 4.0}
LONG = {"type": "longrope", "long_factor": [1.0 + n for n in range(8)], "short_factor": [1.0 + n / 8 for n in range(8)]}

CONFIGS: Mapping[str, dict[str, Any]] = {
    "llama": _SMALL | {"model_type": "llama", "tie_word_embeddings": True},
    "llama3-rope": _SMALL | {"model_type": "llama", "rope_theta": 500_000.0, "rope_scaling": _LLAMA3},
    "linear-rope": _SMALL | {"model_type": "llama", "rope_scaling": _LINEAR},
    "mistral": _SMALL | {"model_type": "mistral", "head_dim": 32, "rope_theta": 1e6},
    "qwen2": _SMALL | {"model_type": "qwen2", "rope_theta": 1e6},
    "qwen3": _SMALL | {"model_type": "qwen3", "head_dim": 32, "rope_theta": 1e5, "tie_word_embeddings": True},
    "gemma3": _SMALL
    | {
        "model_type": "gemma3_text",
        "num_hidden_layers": 7,
        "head_dim": 32,
        "query_pre_attn_scalar": 32,
        "sliding_window": 16,
        "sliding_window_pattern": 6,
        "rope_theta": 1e6,
        "rope_local_base_freq": 1e4,
        "hidden_activation": "gelu_pytorch_tanh",
        "tie_word_embeddings": True,
    },
    "phi3": _SMALL | {"model_type": "phi3"},
    "phi3-long": _SMALL | {"model_type": "phi3", "rope_scaling": LONG, "original_max_position_embeddings": 256},
    "phi3-partial": _SMALL
    | {
        "model_type": "phi3",
        "partial_rotary_factor": 0.5,
        "rope_scaling": LONG | {"long_factor": [1.0, 2.0, 3.0, 4.0], "short_factor": [1.0, 1.5, 2.0, 2.5]},
        "original_max_position_embeddings": 256,
    },
}
"""config.json by a name that says what is special."""


def make_folder(path: Path, config: Mapping[str, Any], dtype: mx.Dtype = mx.float32) -> Path:
    """A folder with random weights and a byte-level tokenizer. Returns: `path`."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(dict(config) | {"eos_token_id": 2}))
    weights = {name: values.astype(dtype) for name, values in tree_flatten(random_model(config).parameters())}
    mx.save_safetensors(str(path / "model.safetensors"), weights, {"format": "mlx"})
    write_tokenizer(path)
    return path


def random_model(config: Mapping[str, Any], seed: int = 7) -> nn.Module:
    """mlx_lm's model with weights large enough that attention and order of tokens matter."""
    kind = {"mistral": "llama"}.get(config["model_type"], config["model_type"])
    module = importlib.import_module(f"mlx_lm.models.{kind}")
    model: nn.Module = module.Model(module.ModelArgs.from_dict(dict(config)))
    if config.get("tie_word_embeddings") and "lm_head" in model:
        model.tie_word_embeddings = True
        model.pop("lm_head")
    mx.random.seed(seed)
    draw = partial(_random, is_gemma=config["model_type"] == "gemma3_text")
    model.update(tree_map_with_path(draw, model.parameters()))
    return model


def _random(name: str, values: mx.array, *, is_gemma: bool) -> mx.array:
    """Gemma's norms multiply by one more than their weights, and its embeddings by the root of the width."""
    if values.ndim == 1:
        middle = 0.0 if is_gemma or name.endswith("bias") else 1.0
        return middle + 0.3 * mx.random.normal(values.shape)
    spread = 2.0 if "_proj" in name else 1.0 if is_gemma else 4.0
    return mx.random.normal(values.shape) * spread / values.shape[-1] ** 0.5


def write_tokenizer(path: Path) -> None:
    """SmolLM's kind of byte-level tokenizer, trained on the probe texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MERGED_TOKENS,
        special_tokens=SPECIAL,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.save(str(path / "tokenizer.json"))
    template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
        "chat_template": template,
    }
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
