"""Tiny random models of every family, as the folders that mlx_lm opens."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.utils import tree_flatten, tree_map_with_path

from edgellm.export.convert.pretokenizers import SMOLLM, definition_of
from edgellm.export.convert.probe import TEXTS
from edgellm.export.convert.sentencepiece import merges, normalizer_of

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
    weights = {name: values.astype(dtype) for name, values in parameters(random_model(config)).items()}
    mx.save_safetensors(str(path / "model.safetensors"), weights, {"format": "mlx"})
    write_tokenizer(path)
    return path


def parameters(model: Module) -> dict[str, mx.array]:
    """Every weight by its name in a folder."""
    return dict(tree_flatten(model.parameters()))


def random_model(config: Mapping[str, Any], seed: int = 7) -> Module:
    """mlx_lm's model with weights large enough that attention and order of tokens matter."""
    kind = {"mistral": "llama"}.get(config["model_type"], config["model_type"])
    module = importlib.import_module(f"mlx_lm.models.{kind}")
    model: Module = module.Model(module.ModelArgs.from_dict(dict(config)))
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
        return mx.random.normal(values.shape, loc=middle, scale=0.3)
    spread = 2.0 if "_proj" in name else 1.0 if is_gemma else 4.0
    return mx.random.normal(values.shape, scale=spread / float(values.shape[-1]) ** 0.5)


def write_tokenizer(path: Path) -> None:
    """SmolLM's kind of byte-level tokenizer with a chat template."""
    template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
        "chat_template": template,
    }
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    retrain(path, SMOLLM)


def retrain(path: Path, name: str) -> None:
    """Replace the vocabulary by one that cuts texts as llama.cpp's `name` does, trained on the probe texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    definition, ignores_merges = definition_of(name) or ({}, False)
    whole = json.loads(Tokenizer(models.BPE(ignore_merges=ignores_merges)).to_str()) | {"pre_tokenizer": definition}
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MERGED_TOKENS,
        special_tokens=SPECIAL,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.save(str(path / "tokenizer.json"))


def write_sentencepiece(path: Path, *, space_first: bool, special: Sequence[str] = SPECIAL[1:]) -> None:
    """Replace the vocabulary by SentencePiece's kind: characters, bytes for unknown ones, an order of pieces."""
    from tokenizers import Tokenizer, decoders, models, trainers

    tokenizer = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(vocab_size=400, show_progress=False, limit_alphabet=120)
    tokenizer.train_from_iterator(["▁" + text.replace(" ", "▁") for text in TEXTS], trainer)
    trained = json.loads(tokenizer.to_str())["model"]["vocab"]
    marked = ["<unk>", *special]
    fixed = [*marked, *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces = sorted(trained, key=trained.__getitem__)
    texts = fixed + pieces
    order = [0.0] * len(fixed) + [-float(number) for number in range(len(pieces))]
    whole = json.loads(Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True)).to_str())
    whole["model"]["vocab"] = {text: number for number, text in enumerate(texts)}
    whole["model"]["merges"] = merges(texts, order, [number >= len(fixed) for number in range(len(texts))])
    whole["normalizer"] = normalizer_of(space_first=space_first)
    added = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    whole["added_tokens"] = [added | {"id": number, "content": text} for number, text in enumerate(marked)]
    result = Tokenizer.from_str(json.dumps(whole))
    result.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    result.save(str(path / "tokenizer.json"))
    roles = {"bos_token": special[0], "eos_token": special[1], "unk_token": "<unk>"}
    settings = json.loads((path / "tokenizer_config.json").read_text()) | roles
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
