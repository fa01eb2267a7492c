"""A GGUF's vocabulary as tokenizer.json and tokenizer_config.json.

Format: https://huggingface.co/docs/tokenizers
"""

from __future__ import annotations

from typing import Any

from edgellm.errors import ModelRejected
from edgellm.export.convert import sentencepiece
from edgellm.export.convert.pretokenizers import definition_of
from edgellm.export.convert.tokenizer import CONTROL, NORMAL, SPACE, UNKNOWN, UNUSED, USER_DEFINED
from edgellm.gguf_header import GGUFHeader

_BYTES_BACK = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
_ADDS_BOS = {"llama-bpe": True, "llama3": True, "llama-v3": True, "falcon3": True}
"""Byte-level vocabularies for which llama.cpp adds a beginning when the file does not say."""
_PHI, _PHI_KEEPS = ("phi-3", "phi3"), ("<unk>", "<s>", "<|endoftext|>")
"""Files of this name lose the spaces after special tokens in llama.cpp, but for these tokens."""


def tokenizer_json(header: GGUFHeader) -> dict[str, Any]:
    """tokenizer.json's content.

    Raises: ModelRejected for a kind of vocabulary, or a way of cutting text, that has no known form there.
    """
    texts = [str(text) for text in header.items("tokenizer.ggml.tokens")]
    kinds = [int(kind) for kind in header.items("tokenizer.ggml.token_type")]
    if len(kinds) != len(texts):
        raise _unusable(header, f"{len(texts)} tokens and {len(kinds)} kinds of tokens")
    kind = header.text("tokenizer.ggml.model")
    if kind == "gpt2":
        steps = _byte_level(header)
    elif kind == "llama":
        steps = _pieces(header, texts, kinds)
    else:
        raise _unusable(header, f"a vocabulary of the kind {kind!r}")
    steps["model"]["vocab"] = {
        text: n for n, (text, kind) in enumerate(zip(texts, kinds, strict=True)) if kind != UNUSED
    }
    added = [n for n, kind in enumerate(kinds) if kind in (CONTROL, USER_DEFINED, UNKNOWN)]
    strips = any(part in (header.text("general.name") or "").lower() for part in _PHI)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            _added(number, texts[number], is_special=kinds[number] != USER_DEFINED, strips=strips) for number in added
        ],
        "post_processor": _around(header, texts),
        **steps,
    }


def tokenizer_config(header: GGUFHeader) -> dict[str, Any]:
    """tokenizer_config.json's content."""
    texts = [str(text) for text in header.items("tokenizer.ggml.tokens")]
    roles = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    numbers = {key: header.integer(f"tokenizer.ggml.{role}_token_id") for key, role in roles.items()}
    config: dict[str, Any] = {key: texts[n] for key, n in numbers.items() if n is not None and n < len(texts)}
    if template := header.text("tokenizer.chat_template"):
        config["chat_template"] = template
    context = header.integer(f"{header.architecture}.context_length")
    return config | {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
    }


def _byte_level(header: GGUFHeader) -> dict[str, Any]:
    name = header.text("tokenizer.ggml.pre") or "default"
    known = definition_of(name)
    if known is None:
        raise _unusable(header, f"a vocabulary that cuts text in the way {name!r}")
    definition, ignores_merges = known
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": ignores_merges,
        "merges": [_pair(str(merge)) for merge in header.items("tokenizer.ggml.merges")],
    }
    return {"normalizer": None, "pre_tokenizer": definition, "decoder": _BYTES_BACK, "model": model}


def _pair(merge: str) -> list[str]:
    """llama.cpp cuts at the first space that is not the first character."""
    cut = merge.index(" ", 1)
    return [merge[:cut], merge[cut + 1 :]]


def _pieces(header: GGUFHeader, texts: list[str], kinds: list[int]) -> dict[str, Any]:
    scores = [float(score) for score in header.items("tokenizer.ggml.scores")]
    if len(scores) != len(texts) or UNKNOWN not in kinds:
        raise _unusable(
            header, "a SentencePiece vocabulary without a score for each piece, or without an unknown token"
        )
    space_first = header.metadata.get("tokenizer.ggml.add_space_prefix", True) is True
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": texts[kinds.index(UNKNOWN)],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": True,
        "ignore_merges": False,
        "merges": [list(pair) for pair in sentencepiece.merges(texts, scores, [kind == NORMAL for kind in kinds])],
    }
    back: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if space_first:
        back.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {
        "normalizer": sentencepiece.normalizer_of(space_first=space_first),
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": back},
        "model": model,
    }


def _added(number: int, text: str, *, is_special: bool, strips: bool) -> dict[str, Any]:
    plain = {"single_word": False, "lstrip": False, "rstrip": strips and text not in _PHI_KEEPS, "normalized": False}
    return {"id": number, "content": text, **plain, "special": is_special}


def _around(header: GGUFHeader, texts: list[str]) -> dict[str, Any] | None:
    """What is put before and after a text."""
    is_pieces = header.text("tokenizer.ggml.model") == "llama"
    adds = _ADDS_BOS.get(header.text("tokenizer.ggml.pre") or "", is_pieces)
    first = _edge(header, texts, "bos", header.metadata.get("tokenizer.ggml.add_bos_token", adds) is True)
    last = _edge(header, texts, "eos", header.metadata.get("tokenizer.ggml.add_eos_token", False) is True)
    if not first and not last:
        return None
    special = [{"SpecialToken": {"id": texts[number], "type_id": 0}} for number in (*first, *last)]
    one = [*special[: len(first)], {"Sequence": {"id": "A", "type_id": 0}}, *special[len(first) :]]
    two = [*one, *special[: len(first)], {"Sequence": {"id": "B", "type_id": 1}}, *special[len(first) :]]
    tokens = {texts[n]: {"id": texts[n], "ids": [n], "tokens": [texts[n]]} for n in (*first, *last)}
    return {"type": "TemplateProcessing", "single": one, "pair": two, "special_tokens": tokens}


def _edge(header: GGUFHeader, texts: list[str], role: str, is_added: bool) -> tuple[int, ...]:
    number = header.integer(f"tokenizer.ggml.{role}_token_id")
    return (number,) if is_added and number is not None and number < len(texts) else ()


def _unusable(header: GGUFHeader, what: str) -> ModelRejected:
    return ModelRejected(
        f"{str(header.path)!r} has {what}; its tokenizer cannot be written as a folder.",
        hint="Export it as GGUF.",
        path=str(header.path),
    )
