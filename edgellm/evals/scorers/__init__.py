"""Kinds of score by name: a case and what was said to it become a value from 0 to 1 with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from edgellm.evals.scorers import (
    choice,
    grounded,
    judged,
    number,
    pair,
    perplexity,
    safety,
    schema,
    similarity,
    texts,
    toxicity,
)
from edgellm.evals.scorers.kind import Kind, Need
from edgellm.evals.values import Case

SCORERS: Mapping[str, Kind] = {
    **texts.KINDS,
    **number.KINDS,
    **choice.KINDS,
    **schema.KINDS,
    **similarity.KINDS,
    **grounded.KINDS,
    **judged.KINDS,
    **safety.KINDS,
    **toxicity.KINDS,
    **pair.KINDS,
    **perplexity.KINDS,
}
"""Every value that `score` can have."""


def needs(case: Case) -> frozenset[Need]:
    """What a case cannot be judged without."""
    own = SCORERS[case.score].needs
    return own | {"weigh"} if case.options.get("continuation") is not None else own
