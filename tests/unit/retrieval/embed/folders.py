"""A tiny BERT embedder with random weights, in the layout of sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from edgellm.retrieval.embed.source import BertShape
from edgellm.retrieval.embed.weights import _INNER, _OUTER, shapes

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?()[]"
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "play", "##ing", *LETTERS]
TOKENS += [f"##{letter}" for letter in LETTERS[:36]]
SHAPE = BertShape(
    layers=2,
    heads=2,
    width=32,
    feed_forward=48,
    vocabulary=len(TOKENS),
    positions=64,
    types=2,
    norm_epsilon=1e-12,
)
CONFIG: Mapping[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "hidden_act": "gelu",
    "num_hidden_layers": SHAPE.layers,
    "num_attention_heads": SHAPE.heads,
    "hidden_size": SHAPE.width,
    "intermediate_size": SHAPE.feed_forward,
    "vocab_size": SHAPE.vocabulary,
    "max_position_embeddings": SHAPE.positions,
    "type_vocab_size": SHAPE.types,
    "layer_norm_eps": 1e-12,
}
TOKENIZER: Mapping[str, Any] = {
    "version": "1.0",
    "added_tokens": [],
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": None,
    "decoder": None,
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {text: number for number, text in enumerate(TOKENS)},
    },
}
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]
POOLING = {"word_embedding_dimension": SHAPE.width, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}


def make_folder(path: Path, *, seed: int = 1) -> Path:
    """Write the whole folder. Returns: `path`."""
    (path / "1_Pooling").mkdir(parents=True)
    write(path / "config.json", CONFIG)
    write(path / "modules.json", MODULES)
    write(path / "1_Pooling" / "config.json", POOLING)
    write(path / "sentence_bert_config.json", {"max_seq_length": 32})
    write(path / "tokenizer.json", TOKENIZER)
    save(path, weights(seed))
    return path


def weights(seed: int = 1) -> dict[str, Any]:
    """Random tensors by the names that a folder has."""
    dice = np.random.default_rng(seed)
    return {
        folder_name(name): (dice.standard_normal(shape) * 0.3 + ("norm.weight" in name)).astype(np.float32)
        for name, shape in shapes(SHAPE).items()
    }


def save(path: Path, tensors: Mapping[str, Any]) -> None:
    """Write model.safetensors."""
    save_file(dict(tensors), path / "model.safetensors")


def write(path: Path, value: Any) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(value))


def changed(path: Path, **values: Any) -> None:
    """Change keys of a JSON file."""
    write(path, json.loads(path.read_text()) | values)


def folder_name(name: str) -> str:
    """The name in a folder of a tensor that llama.cpp calls `name`."""
    if not name.startswith("blk."):
        return {ours: theirs for theirs, ours in _OUTER.items()}[name]
    _, layer, inner, kind = name.split(".")
    theirs = {ours: theirs for theirs, ours in _INNER.items()}[inner]
    return f"encoder.layer.{layer}.{theirs}.{kind}"
