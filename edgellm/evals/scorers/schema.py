"""Answers that must be JSON of a schema."""

from __future__ import annotations

import json
from typing import Any

from edgellm.evals.json_schema import problems, unknown_keywords
from edgellm.evals.matching import TooSlow, is_found, pattern_problem
from edgellm.evals.scorers.kind import Field, Kind, binary, is_anything, is_flag, quoted
from edgellm.evals.values import Case, Said, Score, Tools


def schema(case: Case, said: Said, _tools: Tools) -> Score:
    """1 when the whole answer is one JSON value that the schema allows, and that `expected` names if it is given."""
    try:
        value = json.loads(said.text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return binary(False, f"{quoted(said.text)} is no JSON")
    found = problems(value, case.options["schema"], _matches)
    if found:
        return binary(False, found[0])
    if case.expected and value not in [json.loads(each) for each in case.expected]:
        return binary(False, f"{quoted(said.text)} is valid, and not what was expected")
    return binary(True, "it is valid")


def _matches(pattern: str, text: str) -> bool:
    try:
        return is_found(pattern, text)
    except TooSlow:
        return False


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _problem(case: Case) -> str:
    unknown = unknown_keywords(case.options["schema"])
    if unknown:
        return f"`schema` has what is not checked here: {', '.join(unknown[:3])}"
    bad = next((problem for each in _patterns(case.options["schema"]) if (problem := pattern_problem(each))), "")
    if bad:
        return f"`schema` has a pattern that is none: {bad}"
    try:
        for each in case.expected:
            json.loads(each)
    except ValueError:
        return f"`expected` must be JSON text, not {case.expected[0]!r}"
    return ""


def _patterns(part: Any) -> list[str]:
    if isinstance(part, list):
        return [each for item in part for each in _patterns(item)]
    if not isinstance(part, dict):
        return []
    own = [part["pattern"]] if isinstance(part.get("pattern"), str) else []
    return own + [each for item in part.values() for each in _patterns(item)]


KINDS = {
    "schema": Kind(
        score=schema,
        fields={"schema": Field(is_anything, is_required=True), "constrained": Field(is_flag)},
        needs_expected=False,
        problem=_problem,
    )
}
