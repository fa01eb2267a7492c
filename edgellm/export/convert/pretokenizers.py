"""How byte-level tokenizers cut text before they merge: tokenizer.json's definition and llama.cpp's name for it.

The name decides llama.cpp's own regular expressions (src/llama-vocab.cpp), so a definition that is not in this table
is refused. Mistral Nemo's (tekken) and Phi-4-mini's (gpt-4o) are left out on purpose: llama.cpp cuts words with
combining marks (Hindi, Bengali) at other places than they do.
"""

from __future__ import annotations

from typing import Any

GPT2 = "gpt-2"
SMOLLM = "smollm"
_ANY_CASE = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

PATTERNS: dict[tuple[str, bool], str] = {
    (rf"{_ANY_CASE}|{_WORDS}|\p{{N}}{{1,3}}|{_REST}", True): "llama-bpe",
    (rf"{_ANY_CASE}|{_WORDS}|\p{{N}}{{1,3}}|{_REST}", False): "dbrx",
    (rf"{_ANY_CASE}|{_WORDS}|\p{{N}}|{_REST}", False): "qwen2",
}
"""llama.cpp's name by regular expression and by whether words of the vocabulary skip the merges (`ignore_merges`)."""

_SAME = {
    "llama3": "llama-bpe",
    "llama-v3": "llama-bpe",
    "falcon3": "llama-bpe",
    "smaug-bpe": "dbrx",
    "deepseek-r1-qwen": "qwen2",
}
"""Names that llama.cpp takes for the same."""


def recognised(definition: Any, *, ignores_merges: bool) -> str | None:
    """llama.cpp's name of a `pre_tokenizer`; None for one that is not known."""
    steps = _steps(definition)
    if steps is None or not steps or not _is_bytes(steps[-1]):
        return None
    uses_own_regex = steps[-1].get("use_regex", True)
    if uses_own_regex:
        if len(steps) == 1:
            return None if ignores_merges else GPT2
        is_smollm = len(steps) == 2 and steps[0] == {"type": "Digits", "individual_digits": True}
        return SMOLLM if is_smollm and not ignores_merges else None
    pattern = _pattern(steps[0]) if len(steps) == 2 else None
    return PATTERNS.get((pattern, ignores_merges)) if pattern is not None else None


def definition_of(name: str) -> tuple[dict[str, Any], bool] | None:
    """The `pre_tokenizer` of llama.cpp's name and its `ignore_merges`; None for a name that is not known."""
    name = _SAME.get(name, name)
    if name == GPT2:
        return _bytes(own_regex=True), False
    if name == SMOLLM:
        return _sequence({"type": "Digits", "individual_digits": True}, _bytes(own_regex=True)), False
    for (pattern, ignores_merges), known in PATTERNS.items():
        if known == name:
            split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
            return _sequence(split, _bytes(own_regex=False)), ignores_merges
    return None


def _sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


def _bytes(*, own_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": own_regex}


def _steps(definition: Any) -> list[dict[str, Any]] | None:
    if not isinstance(definition, dict):
        return None
    steps = definition.get("pretokenizers") if definition.get("type") == "Sequence" else [definition]
    return steps if isinstance(steps, list) and all(isinstance(step, dict) for step in steps) else None


def _is_bytes(step: dict[str, Any]) -> bool:
    return step.get("type") == "ByteLevel" and step.get("add_prefix_space") is False


def _pattern(step: dict[str, Any]) -> str | None:
    """The regular expression of a step that cuts a text into its matches."""
    how = (step.get("behavior"), step.get("invert"))
    if step.get("type") != "Split" or how not in (("Isolated", False), ("Removed", True)):
        return None
    pattern = step.get("pattern")
    found = pattern.get("Regex") if isinstance(pattern, dict) else None
    return found if isinstance(found, str) else None
