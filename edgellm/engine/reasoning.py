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


def ends_inside(tail: str, tags: Sequence[Tags]) -> bool:
    """Whether `tail`, the template's own end of a prompt, opens a thinking block and leaves it open."""
    return any(tail.rfind(start) > tail.rfind(end) for start, end in tags)
