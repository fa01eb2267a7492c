"""An embedder as a GGUF file for llama.cpp: weights, WordPiece vocabulary, pooling.

Keys as llama.cpp's own converter writes them for BERT: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from edgellm.export.convert.safetensors import Entry
from edgellm.export.convert.write import FILE_TYPES, as_bytes
from edgellm.gguf_write import I32, NewTensor, Value, encoded, write_gguf
from edgellm.retrieval.embed.source import EmbedderSource, Pooling
from edgellm.retrieval.embed.weights import read_weights
from edgellm.retrieval.embed.wordpiece import WordPieceRules

_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3
_POOLING: Mapping[Pooling, int] = {"mean": 1, "cls": 2}
_FULL = ("position_embd", "token_types")
"""Tables that llama.cpp adds as they are; they stay F32 like norms and biases."""
_STEP_ROWS = 4096


def write_twin(source: EmbedderSource, out: Path) -> None:
    """Write the file, which appears complete or not at all; matrices as F16.

    Raises: ModelRejected for a tensor that is missing, misshapen, not finite or too large for F16; DiskFull.
    """
    tensors = [_tensor(name, entry) for name, entry in read_weights(source).items()]
    write_gguf(out, _metadata(source), tensors)


def _metadata(source: EmbedderSource) -> dict[str, Value]:
    shape = source.shape
    return {
        "general.architecture": "bert",
        "general.type": "model",
        "general.name": source.identity.name,
        "general.file_type": FILE_TYPES["F16"],
        "bert.block_count": shape.layers,
        "bert.context_length": shape.positions,
        "bert.embedding_length": shape.width,
        "bert.feed_forward_length": shape.feed_forward,
        "bert.attention.head_count": shape.heads,
        "bert.attention.layer_norm_epsilon": shape.norm_epsilon,
        "bert.attention.causal": False,
        "bert.pooling_type": _POOLING[source.pooling],
        "tokenizer.ggml.token_type_count": shape.types,
        **vocabulary_metadata(source.rules, shape.vocabulary),
    }


def vocabulary_metadata(rules: WordPieceRules, rows: int) -> dict[str, Value]:
    """The tokenizer's keys; ids without a token are filled up to `rows`."""
    texts, kinds = [f"[PAD{number}]" for number in range(rows)], [_CONTROL] * rows
    for text, number in rules.vocabulary.items():
        is_marked = text.startswith("[") and text.endswith("]") and len(text) > 2
        kinds[number] = _CONTROL if is_marked else _NORMAL
        texts[number] = text if is_marked else _phantom(text, rules.continuation)
    kinds[rules.unknown] = _UNKNOWN
    special = {"bos": rules.cls, "eos": rules.sep, "cls": rules.cls, "seperator": rules.sep, "unknown": rules.unknown}
    for role, text in (("padding", "[PAD]"), ("mask", "[MASK]")):
        if text in rules.vocabulary:
            special[role] = rules.vocabulary[text]
    return {
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.token_type": encoded(kinds, I32),
        "tokenizer.ggml.normalizer.lowercase": rules.is_lowercase,
        "tokenizer.ggml.normalizer.strip_accents": rules.strips_accents,
        **{f"tokenizer.ggml.{role}_token_id": number for role, number in special.items()},
    }


def _phantom(text: str, continuation: str) -> str:
    """llama.cpp marks the beginning of a word where BERT marks its continuation."""
    return text.removeprefix(continuation) if text.startswith(continuation) else "\u2581" + text


def _tensor(name: str, entry: Entry) -> NewTensor:
    is_matrix = len(entry.shape) == 2 and not name.startswith(_FULL)
    kind = "F16" if is_matrix else "F32"
    return NewTensor(name, entry.shape[::-1], kind, partial(_pieces, entry, kind))


def _pieces(entry: Entry, kind: str) -> Iterator[memoryview]:
    for start in range(0, entry.shape[0], _STEP_ROWS):
        yield as_bytes(entry.path, entry.name, entry.rows(start, start + _STEP_ROWS), kind)
