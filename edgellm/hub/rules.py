"""What a sound header must say before llama.cpp may open the file."""

from __future__ import annotations

import re
from typing import NoReturn

from edgellm.errors import ModelRejected
from edgellm.gguf_header import GGUFHeader

MAX_TEMPLATE_BYTES = 64 * 1024
BYTE_TOKEN = 6
_BYTE_TEXT = re.compile(r"<0x[0-9A-Fa-f]{2}>")
_RANGES = {
    "block_count": (1, 1_024),
    "embedding_length": (1, 65_536),
    "context_length": (1, 2**27),
    "expert_count": (0, 4_096),
}


def check_rules(header: GGUFHeader) -> None:
    """Raises: ModelRejected when the header is well-formed but no model EdgeLLM could run."""
    _check_kind(header)
    _check_sizes(header)
    _check_templates(header)
    _check_tokenizer(header)


def refuse(header: GGUFHeader, reason: str, hint: str = "Choose another file.", *, timed_out: bool = False) -> NoReturn:
    """Raise ModelRejected for this file; `timed_out` becomes a fact: the same file may pass on a quieter machine."""
    path = str(header.path)
    raise ModelRejected(f"{path!r} is refused: {reason}.", hint=hint, path=path, reason=reason, timed_out=timed_out)


def _check_kind(header: GGUFHeader) -> None:
    kind = header.metadata.get("general.type", "model")
    if kind != "model":
        refuse(header, f"it is of type {kind!r}, not a model")
    parts = header.integer("split.count")
    if parts and parts > 1:
        refuse(header, f"it is one of {parts} parts", "Join the parts with llama-gguf-split first.")
    if not header.architecture:
        refuse(header, "general.architecture is missing")
    if not header.tensors:
        refuse(header, "it holds no tensors")


def _check_sizes(header: GGUFHeader) -> None:
    for name, (least, most) in _RANGES.items():
        key = f"{header.architecture}.{name}"
        if key in header.metadata:
            value = header.integer(key)
            if value is None or not least <= value <= most:
                refuse(header, f"{key} is {header.metadata[key]!r}, not a number from {least} to {most}")


def _check_templates(header: GGUFHeader) -> None:
    for key, value in header.metadata.items():
        if key.startswith("tokenizer.chat_template") and isinstance(value, str):
            size = len(value.encode())
            if size > MAX_TEMPLATE_BYTES:
                refuse(header, f"{key} has {size} bytes, over the limit of {MAX_TEMPLATE_BYTES}")


def _check_tokenizer(header: GGUFHeader) -> None:
    tokens = header.count("tokenizer.ggml.tokens")
    if not tokens:
        refuse(header, "it has no vocabulary (tokenizer.ggml.tokens)")
    for key in ("tokenizer.ggml.token_type", "tokenizer.ggml.scores"):
        if key in header.metadata and header.count(key) != tokens:
            refuse(header, f"{key} has {header.count(key)} entries for {tokens} tokens")
    for key in header.metadata:
        if key.startswith("tokenizer.ggml.") and key.endswith("_token_id"):
            _check_token_id(header, key, tokens)
    embedding = next((tensor for tensor in header.tensors if tensor.name == "token_embd.weight"), None)
    if embedding and (len(embedding.shape) != 2 or embedding.shape[1] != tokens):
        refuse(header, f"token_embd.weight has the shape {list(embedding.shape)} for {tokens} tokens")
    _check_byte_tokens(header)


def _check_token_id(header: GGUFHeader, key: str, tokens: int) -> None:
    value = header.integer(key)
    if value == 0xFFFFFFFF:  # how some converters write that there is no such token
        return
    if value is None or not 0 <= value < tokens:
        refuse(header, f"{key} is {header.metadata[key]!r}, but the vocabulary has {tokens} tokens")


def _check_byte_tokens(header: GGUFHeader) -> None:
    kinds = header.items("tokenizer.ggml.token_type")
    numbers = {index for index, kind in enumerate(kinds) if kind == BYTE_TOKEN}
    if not numbers:
        return
    for index, text in enumerate(header.items("tokenizer.ggml.tokens")):
        if index in numbers and not _BYTE_TEXT.fullmatch(str(text)):
            refuse(header, f"token {index} is marked as a byte but reads {text!r}")
