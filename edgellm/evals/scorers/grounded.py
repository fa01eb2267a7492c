"""Answers from passages: whether they say what is asked, and only what the passages hold."""

from __future__ import annotations

import re

from edgellm.evals.scorers.kind import Field, Kind, is_flag, quoted
from edgellm.evals.values import Case, Said, Score, Support, Tools
from edgellm.evals.words import normalised

_DECLINES = re.compile(
    r"\b(?:do|does|did) ?n[o']?t (?:say|hold|contain|mention|provide|include|state|specify|cover|answer)"
    r"|\bnot (?:mentioned|stated|specified|said|found|given|provided|available|in the (?:documents|passages|text))"
    r"|\bno (?:information|mention|answer)|\b(?:can ?not|can't|unable to) (?:find|answer|tell|say)|\bdo ?n[o']t know",
    re.IGNORECASE,
)


def grounded(case: Case, said: Said, _tools: Tools) -> Score:
    """The share of the answer's claims that the passages hold; 0 when `expected` is given and is not said.

    With `is_outside` the passages do not hold the answer: 1 when the answer says so, 0 when it answers anyway.
    """
    support = said.support or Support(claims=0)
    declines = support.is_weak or _DECLINES.search(said.text) is not None
    if case.options.get("is_outside"):
        reason = "it says that the documents do not say it" if declines else f"it answers {quoted(said.text)}"
        return Score(value=float(declines), reason=reason, measures={"outside": 1.0, "declined": float(declines)})
    measures = _measures(support)
    if case.expected and not _says_any(case, said):
        return Score(value=0.0, reason=f"it does not say {quoted(case.expected[0])}", measures=measures)
    if not support.claims:
        return Score(value=0.0, reason="it says nothing that could be held against the passages", measures=measures)
    share = 1 - len(support.unsupported) / support.claims
    held = f"{support.claims - len(support.unsupported)} of {support.claims} claims are in the passages"
    lacking = f"; not {quoted(support.unsupported[0])}" if support.unsupported else ""
    return Score(value=max(0.0, share), reason=held + lacking, measures=measures)


def _measures(support: Support) -> dict[str, float]:
    return {
        "claims": float(support.claims),
        "unsupported": float(len(support.unsupported)),
        "cited": float(support.cited),
        "held": float(support.held),
        "removed": float(support.removed),
    }


def _says_any(case: Case, said: Said) -> bool:
    held = f" {normalised(said.text)} "
    return any(f" {normalised(each)} " in held for each in case.expected)


def _problem(case: Case) -> str:
    if case.options.get("is_outside") and case.expected:
        return "what is outside the documents has no `expected`"
    return ""


KINDS = {
    "grounded": Kind(score=grounded, fields={"is_outside": Field(is_flag)}, needs_expected=False, problem=_problem)
}
