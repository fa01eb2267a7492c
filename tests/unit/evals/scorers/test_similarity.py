"""Likeness of meaning, on vectors made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.evals.values import Tools
from tests.unit.evals.fakes import scored

VECTORS = {"cat": [1.0, 0.0], "kitten": [0.8, 0.6], "stone": [-1.0, 0.0]}


def embed(texts: Sequence[str]) -> list[list[float]]:
    return [VECTORS[text] for text in texts]


def test_the_best_cosine_counts() -> None:
    tools = Tools(embed=embed)
    found = scored("similarity", "cat", tools=tools, expected=["stone", "kitten"])
    assert (found.value, found.reason) == (0.8, "cosine 0.80 with “kitten”")
    assert scored("similarity", "cat", tools=tools, expected="stone").value == 0
    assert scored("similarity", " ", tools=tools, expected="stone").value == 0


def test_a_least_cosine_makes_it_right_or_wrong() -> None:
    tools = Tools(embed=embed)
    assert scored("similarity", "cat", tools=tools, expected="kitten", at_least=0.8).value == 1
    assert scored("similarity", "cat", tools=tools, expected="kitten", at_least=0.81).value == 0
