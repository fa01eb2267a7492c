"""Patterns on hostile answers: found, not found, or too slow to tell."""

from __future__ import annotations

import time

import pytest

from edgellm.evals.matching import TooSlow, is_found, pattern_problem


def test_patterns_are_found() -> None:
    assert is_found(r"\b19\d\d\b", "in 1984")
    assert not is_found(r"\b19\d\d\b", "in 2084")
    assert is_found(r"^two$|é", "one\ntwo é")
    assert is_found("x", "\ud800x"), "a lone surrogate is text"


def test_a_pattern_that_backtracks_for_years_ends() -> None:
    began = time.monotonic()
    with pytest.raises(TooSlow):
        is_found(r"(a+)+$", "a" * 60 + "b")
    assert time.monotonic() - began < 20


def test_what_is_no_pattern() -> None:
    assert "unterminated" in pattern_problem("(")
    assert pattern_problem("a\0b")
    assert not pattern_problem("[a-z]+")
