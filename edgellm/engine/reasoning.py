"""Which tags a model puts around its thinking, and whether a prompt ends inside them."""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.engine.prompt import Tokenizer

Tags = tuple[str, str]

KNOWN_TAGS: tuple[Tags, ...] = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)
"""DeepSeek, Qwen and SmolLM3; Magistral; Seed-OSS; Command A."""


def detect_tags(template: str, tokenizer: Tokenizer) -> tuple[Tags, ...]:
    """The known pairs that the template mentions or the vocabulary holds as single tokens."""

    def is_token(text: str) -> bool:
        return len(tokenizer.tokenize(text, parse_special=True, add_bos=False)) == 1

    return tuple(pair for pair in KNOWN_TAGS if pair[1] in template or all(is_token(tag) for tag in pair))


def tag_tokens(tags: Sequence[Tags], tokenizer: Tokenizer) -> dict[int, str]:
    """The tags that are control tokens, which have no text of their own: token id to the tag's text."""
    texts = [text for pair in tags for text in pair]
    ids = [tokenizer.tokenize(text, parse_special=True, add_bos=False) for text in texts]
    found = {tokens[0]: text for tokens, text in zip(ids, texts, strict=True) if len(tokens) == 1}
    return {token: text for token, text in found.items() if not tokenizer.piece(token)}


def open_block(tail: str, tags: Sequence[Tags]) -> Tags | None:
    """The thinking block that `tail`, the template's own end of a prompt, opens and leaves open."""
    return next(((start, end) for start, end in tags if tail.rfind(start) > tail.rfind(end)), None)
