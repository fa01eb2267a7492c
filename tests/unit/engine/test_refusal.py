"""What a refused constraint says: the schema's words and place, nothing of the compiler's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgellm.engine.refusal import refused
from edgellm.types import Constraint

LOOK_AROUND = """regex parse error:
    (?=a)b
    ^^^
error: look-around, including look-ahead and look-behind, is not supported"""
INSIDE: dict[str, Any] = {"type": "object", "properties": {"a/b": {"type": "string"}}, "required": ["a/b"]}


def inside(**keywords: Any) -> dict[str, Any]:
    """A schema with these keywords at /properties/a~1b."""
    return {**INSIDE, "properties": {"a/b": {"type": "string", **keywords}}}


@pytest.mark.parametrize(
    ("reason", "schema", "pointer", "said"),
    [
        (
            "Unsatisfiable schema: minLength (5) is greater than maxLength (3)",
            {"minLength": 1, "maxLength": 9, **inside(minLength=5, maxLength=3)},
            "/properties/a~1b",
            "minLength 5 and maxLength 3 leave nothing",
        ),
        (LOOK_AROUND, inside(pattern="(?=a)b"), "/properties/a~1b", "the pattern '(?=a)b' is not understood: look"),
        (LOOK_AROUND, {"patternProperties": {"(?=a)b": {}}}, "", "the pattern '(?=a)b' is not understood"),
        ("Unsatisfiable schema: required property 'a/b' is unsatisfiable", INSIDE, "", "the required property 'a/b'"),
        (
            "Unsatisfiable schema: Regex is empty:  (And (SearchRegex /a+/) (Regex /x/))",
            inside(pattern="a+", format="date"),
            "/properties/a~1b",
            "pattern, format and lengths together",
        ),
        (
            "oneOf constraints are not supported. Enable 'coerce_one_of' option to approximate oneOf with anyOf",
            {"items": {"oneOf": [{}, {}]}},
            "/items",
            "use anyOf",
        ),
        ("Unsatisfiable schema: incompatible types", INSIDE, None, "no value is of all the types"),
        ("NoExtensionBias\n<non-verbose/>", {"$ref": "#"}, None, "a definition leads to itself"),
        ("ParserTooComplex\n<state>\nrows: 7", INSIDE, None, "too much work"),
        ("schema too large", INSIDE, None, "too much work"),
        ("something new", INSIDE, None, "something new"),
    ],
)  # fmt: skip
def test_a_refused_schema_says_what_and_where(
    reason: str, schema: dict[str, Any], pointer: str | None, said: str
) -> None:
    error = refused(reason, Constraint(kind="json_schema", text=json.dumps(schema)))
    assert said in error.message
    assert error.facts["pointer"] == pointer
    if pointer is not None:
        assert f"at {pointer or 'the top'}, " in error.message
    for word in ("NoExtension", "non-verbose", "Regex", "coerce", "<", "Unsatisfiable"):
        assert word not in error.message


def test_a_grammar_is_told_in_its_compilers_words() -> None:
    error = refused('at 1(8): unknown name: "x"', Constraint(kind="grammar", text="start: x"))
    assert error.message == 'The constraint cannot be enforced: at 1(8): unknown name: "x".'
    assert "leads to itself" in refused("NoExtension", Constraint(kind="json_object")).message


def test_deep_values_are_no_matter() -> None:
    deep = json.dumps({"const": json.loads("[" * 900 + "]" * 900), "oneOf": []})
    assert refused("oneOf constraints", Constraint(kind="json_schema", text=deep)).facts["pointer"] == ""
