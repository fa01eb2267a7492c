"""Constrained output: always valid, and no grammar ends or stalls the process."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from edgellm.engine.config import EngineConfig
from edgellm.engine.llama.backend import LlamaBackend
from edgellm.errors import InvalidSchema
from edgellm.types import Constraint, Sampling
from tests.live.starter import GREEDY, chat_prompt, starter_path, write

pytestmark = pytest.mark.live

LONGEST_S = 2.0

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 30},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "email": {"type": ["string", "null"], "format": "email", "maxLength": 40},
    },
    "required": ["name", "age", "email"],
    "additionalProperties": False,
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "person": PERSON,
    "colours": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 2, "maxItems": 4},
    "choice": {"anyOf": [{"const": "yes"}, {"const": "no"}, {"type": "null"}]},
    "nested": {
        "$defs": {"city": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}},
                           "required": ["name"], "additionalProperties": False}},
        "type": "object", "properties": {"from": {"$ref": "#/$defs/city"}, "to": {"$ref": "#/$defs/city"}},
        "required": ["from", "to"], "additionalProperties": False,
    },
    "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
    "day": {"type": "object", "properties": {"on": {"type": "string", "format": "date"}, "n": {"type": "number",
            "minimum": -1, "maximum": 1}}, "required": ["on", "n"], "additionalProperties": False},
}  # fmt: skip


def is_person(value: Any) -> bool:
    email = value["email"]
    return (
        list(value) == ["name", "age", "email"]
        and len(value["name"]) <= 30
        and type(value["age"]) is int
        and 0 <= value["age"] <= 150
        and (email is None or (re.fullmatch(r"[^@\s]+@[^@\s]+", email) is not None and len(email) <= 40))
    )


def is_day(value: Any) -> bool:
    return list(value) == ["on", "n"] and date.fromisoformat(value["on"]).year >= 0 and -1 <= value["n"] <= 1


VALID: dict[str, Callable[[Any], bool]] = {
    "person": is_person,
    "colours": lambda value: 2 <= len(value) <= 4 and set(value) <= {"red", "green", "blue"},
    "choice": lambda value: value in ("yes", "no", None),
    "nested": lambda value: (
        list(value) == ["from", "to"]
        and all(list(city) == ["name"] and len(city["name"]) <= 20 for city in value.values())
    ),
    "code": lambda value: re.fullmatch("[A-Z]{2}-[0-9]{3}", value) is not None,
    "day": is_day,
}
"""What each schema means, written by hand."""

KILLERS = {
    "unbalanced": "start: (((",
    "no start": 'other: "a"',
    "left recursion": 'start: start "a" | "a"',
    "nested repeat": 'start: (("a"{0,1000}){0,1000}){0,1000}',
    "deep groups": "start: " + "(" * 60_000 + '"a"' + ")" * 60_000,
    "deep groups, shorter": "start: " + "(" * 10_000 + '"a"' + ")" * 10_000,
    "rule chain": "start: r0\n" + "\n".join(f"r{n}: r{n + 1}" for n in range(4_000)) + '\nr4000: "a"',
    "longest rule chain": "start: r0\n" + "\n".join(f"r{n}: r{n + 1}" for n in range(498)) + '\nr498: "a"',
    "stars": 'start: ("a"*)*',
    "regex repeat": "start: /((a{1,1000}){1,1000}){1,1000}/",
    "empty": "",
    "binary": "\x00\xff%",
}
SCHEMA_KILLERS: dict[str, Any] = {
    "long text": {"type": "string", "maxLength": 1000, "minLength": 1000},
    "repeats in repeats": {"type": "array", "minItems": 1000, "items": {"type": "array", "minItems": 1000, "items":
                           {"type": "array", "minItems": 1000, "items": {"type": "string", "minLength": 1000}}}},
    "regex repeat": {"type": "string", "pattern": "((a{1,500}){1,500}){1,500}"},
    "regex and": {"type": "string", "pattern": "(a|b)*a(a|b){400}", "maxLength": 1000},
    "many enums": {"enum": [f"value number {n} of many" for n in range(500)]},
    "many properties": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(200)}},
    "many required": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(200)},
                      "required": [f"p{n}" for n in range(200)]},
    "broad": {"allOf": [{"anyOf": [{"type": "object", "properties": {f"{a}{b}": {"type": "string"}}} for b in range(8)]}
                        for a in range(8)]},
    "reference chain": {"$defs": {**{f"a{n}": {"type": "object", "properties": {"x": {"$ref": f"#/$defs/a{n + 1}"}},
                                  "required": ["x"]} for n in range(80)}, "a80": {}}, "$ref": "#/$defs/a0"},
    "cycle": {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "self": {"$ref": "#"},
    "deep const": {"const": json.loads("[" * 300 + "]" * 300)},
    "missing": {"$ref": "#/$defs/none"},
    "impossible": {"type": "string", "minLength": 5, "maxLength": 3},
    "look around": {"type": "string", "pattern": "(?=a)b"},
}  # fmt: skip


@pytest.fixture(scope="module")
def backend() -> Iterator[LlamaBackend]:
    opened = LlamaBackend(EngineConfig(model_path=starter_path(), context_tokens=1024, threads=1, max_parked=1))
    opened.open_sampler(GREEDY, 1, Constraint(kind="json_object"), []).close()  # builds llguidance's vocabulary
    yield opened
    opened.close()


def of(schema: dict[str, Any]) -> Constraint:
    return Constraint(kind="json_schema", text=json.dumps(schema))


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_output_is_valid(backend: LlamaBackend, name: str, seed: int | None) -> None:
    sampling = GREEDY if seed is None else Sampling(temperature=1.3, seed=seed, repeat_penalty=1.1)
    writer = write(backend, chat_prompt(f"Write JSON: {name}."), sampling, count=120, constraint=of(SCHEMAS[name]))
    assert backend.is_end(writer.tokens[-1])
    assert VALID[name](json.loads(writer.text)), writer.text


def test_any_object_is_an_object(backend: LlamaBackend) -> None:
    closing = [backend.tokenize(text, parse_special=False, add_bos=False)[0] for text in ("}", '"}')]
    sampling = Sampling(temperature=0.5, seed=1, logit_bias=dict.fromkeys(closing, 8.0))
    writer = write(backend, chat_prompt("2+2?"), sampling, count=100, constraint=Constraint(kind="json_object"))
    assert backend.is_end(writer.tokens[-1])
    assert isinstance(json.loads(writer.text), dict)


def test_a_complete_text_can_only_end(backend: LlamaBackend) -> None:
    grammar = Constraint(kind="grammar", text='start: "yes" | "no"')
    writer = write(
        backend, chat_prompt("Is the sky blue?"), Sampling(temperature=5, seed=1), count=8, constraint=grammar
    )
    assert writer.text in ("yes", "no")
    assert backend.is_end(writer.tokens[-1])


def test_special_tokens_cannot_be_spelled(backend: LlamaBackend) -> None:
    grammar = Constraint(kind="grammar", text='start: "<|im_start|>"')
    writer = write(backend, chat_prompt("Go."), GREEDY, count=20, constraint=grammar)
    assert writer.text == "<|im_start|>"
    assert len(writer.tokens) > 2


@pytest.mark.parametrize("name", KILLERS)
def test_hostile_grammars_neither_crash_nor_stall(backend: LlamaBackend, name: str) -> None:
    survives(backend, Constraint(kind="grammar", text=KILLERS[name]))


@pytest.mark.parametrize("name", SCHEMA_KILLERS)
def test_hostile_schemas_neither_crash_nor_stall(backend: LlamaBackend, name: str) -> None:
    survives(backend, of(SCHEMA_KILLERS[name]))


def survives(backend: LlamaBackend, constraint: Constraint) -> None:
    """Compiling and eight tokens take less than two seconds beyond the model's own time, or InvalidSchema says why."""
    started = time.process_time()
    try:
        writer = write(backend, "a", GREEDY, count=8, constraint=constraint)
        assert writer.tokens
    except InvalidSchema:
        backend.trim(0, 0)
    assert time.process_time() - started < LONGEST_S


def test_a_refusal_names_the_keyword(backend: LlamaBackend) -> None:
    with pytest.raises(InvalidSchema, match="minLength") as caught:
        backend.open_sampler(GREEDY, 1, of(SCHEMA_KILLERS["impossible"]), [])
    assert caught.value.facts["field"] == "constraint"
    assert backend._grammars.build_s is not None
