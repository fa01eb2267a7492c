"""What a kind of score is: its function, what is asked for it, and which fields its cases have."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgellm.evals.asking import Asking, answer
from edgellm.evals.values import Case, Said, Score, Tools

Scorer = Callable[[Case, Said, Tools], Score]
"""A case, what was said to it, and what helps to judge it. Pure but for the tools."""
Need = Literal["weigh", "embed", "judge", "personal"]
Shape = Callable[[Any], bool]


def is_text(value: Any) -> bool:
    """A text that is not blank."""
    return isinstance(value, str) and bool(value.strip())


def is_texts(value: Any) -> bool:
    """One text or more."""
    return isinstance(value, list) and bool(value) and all(map(is_text, value))


def is_two_texts(value: Any) -> bool:
    """Exactly two texts."""
    return is_texts(value) and len(value) == 2


def is_number(value: Any) -> bool:
    """A finite number that is not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def is_count(value: Any) -> bool:
    """A whole number from 1 on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_flag(value: Any) -> bool:
    """True or false."""
    return isinstance(value, bool)


def is_anything(_value: Any) -> bool:
    """What the kind's own check looks at."""
    return True


SHAPES: Mapping[Shape, str] = {
    is_text: "a text that is not blank",
    is_texts: "a list of texts",
    is_two_texts: "a list of two texts",
    is_number: "a number from 0 on",
    is_count: "a whole number from 1 on",
    is_flag: "true or false",
}
"""A shape in words, for errors."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that cases of a kind have."""

    shape: Shape
    is_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of score."""

    score: Scorer
    asks: Asking = answer
    fields: Mapping[str, Field] = field(default_factory=dict)
    has_expected: bool = True
    """Whether its cases have `expected`; it is an error beside other kinds."""
    needs_expected: bool = True
    needs: frozenset[Need] = frozenset()
    problem: Callable[[Case], str] = lambda _case: ""
    """What is wrong with a case, in words; empty: nothing."""


def binary(is_right: bool, reason: str) -> Score:
    """1 or 0."""
    return Score(value=float(is_right), reason=reason)


def quoted(text: str, most: int = 60) -> str:
    """A text within a reason: on one line, in quotation marks, cut."""
    line = " ".join(text.split())
    return f"“{line[:most]}{'…' if len(line) > most else ''}”"
