"""Definitions and llama.cpp's names for them, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from edgellm.export.convert.pretokenizers import GPT2, PATTERNS, SMOLLM, definition_of, recognised

NAMES = [GPT2, SMOLLM, *PATTERNS.values()]


@pytest.mark.parametrize("name", NAMES)
def test_definitions_are_recognised(name: str) -> None:
    found = definition_of(name)
    assert found is not None
    definition, ignores_merges = found
    assert recognised(definition, ignores_merges=ignores_merges) == name
    other = recognised(definition, ignores_merges=not ignores_merges)
    assert other == {"llama-bpe": "dbrx", "dbrx": "llama-bpe"}.get(name)


def test_a_split_may_also_be_written_as_what_is_removed() -> None:
    definition, ignores_merges = definition_of("qwen2") or ({}, False)
    definition["pretokenizers"][0] |= {"behavior": "Removed", "invert": True}
    assert recognised(definition, ignores_merges=ignores_merges) == "qwen2"
    definition["pretokenizers"][0] |= {"invert": False}
    assert recognised(definition, ignores_merges=ignores_merges) is None


@pytest.mark.parametrize(
    "definition",
    [
        None,
        [],
        {},
        {"type": "Sequence"},
        {"type": "Sequence", "pretokenizers": []},
        {"type": "Sequence", "pretokenizers": [1]},
        {"type": "ByteLevel"},
        {"type": "ByteLevel", "add_prefix_space": True},
        {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": False}, {"type": "ByteLevel"}]},
        {"type": "Sequence", "pretokenizers": [{"type": "Split"}, {"type": "ByteLevel", "add_prefix_space": False}]},
    ],
)
def test_anything_else_is_not(definition: Any) -> None:
    assert recognised(definition, ignores_merges=False) is None
    assert definition_of("tekken") is None
