"""Rows of a suite, read into cases: what is missing, unknown or of the wrong kind is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import msgspec

from edgellm.decoding import convert
from edgellm.errors import DataRejected, InvalidInput
from edgellm.evals.scorers import SCORERS
from edgellm.evals.scorers.kind import SHAPES, Kind, Shape, is_count, is_number, is_text, is_texts
from edgellm.evals.values import Case
from edgellm.sampling import check_sampling
from edgellm.types import Constraint, Message, Role, Sampling, Tool, ToolCall

Row = Mapping[str, Any]
SHORT = ("exact", "normalised", "contains", "regex", "f1", "number", "similarity")
"""Kinds whose name can be the key of what is expected."""
MOST_SAMPLES = 100
MAX_TOKENS = 256
"""Of an answer, where a case says nothing."""
_COMMON: Mapping[str, Shape | None] = {
    "id": is_text,
    "category": is_text,
    "group": is_text,
    "prompt": is_text,
    "messages": None,
    "system": is_text,
    "expected": None,
    "score": is_text,
    "samples": is_count,
    "max_tokens": is_count,
    "temperature": is_number,
    "passages": is_texts,
    "planted": is_text,
    "tools": None,
}
"""Fields of every case; None: looked at on its own."""
DEFAULTS = frozenset(("system", "score", "category", "samples", "max_tokens", "temperature"))
"""Fields that a suite may give for all of its cases."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands, for errors."""

    file: str
    line: int | None
    number: int
    """Which case of the suite, from 1."""

    def wrong(self, message: str, field: str, hint: str = "") -> DataRejected:
        """The error for a field of this row."""
        if self.line is None:
            where = f"{self.file}, case {self.number}" if self.number else self.file
            return DataRejected(f"{where}: {message}.", hint=hint, file=self.file, field=field)
        found = f"{self.file}:{self.line}: {message}."
        return DataRejected(found, hint=hint, file=self.file, field=field, line=self.line)


def read_cases(suite: str, rows: Iterable[tuple[Place, Row]], defaults: Row) -> tuple[Case, ...]:
    """Every case. Raises: DataRejected with file, line and field of what is wrong."""
    found: dict[str, Case] = {}
    for place, row in rows:
        case = read_case(suite, place, {**defaults, **row})
        if case.id in found:
            raise place.wrong(f"`id` is {case.id!r}, which an earlier case has", "id")
        found[case.id] = case
    return tuple(found.values())


def read_case(suite: str, place: Place, row: Row) -> Case:
    """One case from its row, defaults included. Raises: DataRejected."""
    row = _spelt_out(row)
    kind = _kind(row, place)
    _check_names(row, kind, place)
    _check_shapes(row, kind, place)
    name = str(row.get("id", place.number))
    case = Case(
        id=name,
        suite=suite,
        score=row["score"],
        messages=_messages(row, place),
        category=row.get("category", ""),
        group=row.get("group", "") or name,
        expected=_expected(row, kind, place),
        options={key: row[key] for key in kind.fields if key in row},
        sampling=_sampling(row, place),
        constraint=_constraint(row),
        tools=_tools(row, place),
        passages=tuple(row.get("passages", ())),
        planted=row.get("planted", ""),
        samples=row.get("samples", 1),
    )
    _check_samples(case, place)
    problem = kind.problem(case)
    if problem:
        named = re.search(r"`(\w+)`", problem)
        raise place.wrong(problem, named[1] if named else "prompt")
    return case


def _spelt_out(row: Row) -> Row:
    """`contains = "1874"` is short for `score = "contains"` and `expected = "1874"`, and so for other kinds."""
    short = next((key for key in SHORT if key in row), None)
    if short is None or "expected" in row:
        return row
    rest = {key: value for key, value in row.items() if key != short}
    return {**rest, "score": short, "expected": row[short]}


def _kind(row: Row, place: Place) -> Kind:
    name = row.get("score")
    if isinstance(name, str) and name in SCORERS:
        return SCORERS[name]
    found = f"`score` is {name!r}, which is no kind of score" if name is not None else "it has no `score`"
    raise place.wrong(found, "score", _suggestion(str(name), SCORERS))


def _check_names(row: Row, kind: Kind, place: Place) -> None:
    known = {*_COMMON, *kind.fields}
    for key in row:
        if key not in known:
            raise place.wrong(f"the field {key!r} is not known for {row['score']!r}", key, _suggestion(key, known))
    missing = next((key for key, each in kind.fields.items() if each.is_required and key not in row), None)
    if missing is not None:
        raise place.wrong(f"{row['score']!r} needs the field {missing!r}", missing)


def _check_shapes(row: Row, kind: Kind, place: Place) -> None:
    shapes = {**_COMMON, **{key: each.shape for key, each in kind.fields.items()}}
    for key, value in row.items():
        shape = shapes[key]
        if shape is not None and not shape(value):
            wanted = f"; it must be {SHAPES[shape]}" if shape in SHAPES else ""
            raise place.wrong(f"`{key}` is {_shown(value)}{wanted}", key)


def _messages(row: Row, place: Place) -> tuple[Message, ...]:
    if ("prompt" in row) == ("messages" in row):
        raise place.wrong("a case has a `prompt`, or else `messages`", "prompt")
    turns = row.get("messages") or [{"role": "user", "content": row.get("prompt")}]
    try:
        messages = tuple(convert(turn, _Turn).message for turn in convert(turns, list[Any]))
    except msgspec.ValidationError as error:
        hint = 'A turn looks like {role = "user", content = "..."}.'
        raise place.wrong(f"`messages` is not understood: {error}", "messages", hint) from error
    if not any(each.role == "user" for each in messages):
        raise place.wrong("`messages` holds no turn of the user", "messages")
    if "system" in row and messages[0].role != "system":
        messages = (Message(role="system", content=row["system"]), *messages)
    return messages


class _Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A turn as a suite writes it."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @property
    def message(self) -> Message:
        return Message(role=self.role, content=self.content, tool_calls=self.tool_calls, tool_call_id=self.tool_call_id)


def _expected(row: Row, kind: Kind, place: Place) -> tuple[str, ...]:
    given = row.get("expected", [])
    texts = given if isinstance(given, list) else [given]
    texts = [json.dumps(each) if _is_numeral(each) else each for each in texts]
    if not all(isinstance(each, str) and each.strip() for each in texts):
        raise place.wrong(f"`expected` is {_shown(given)}; it must be a text or a list of texts", "expected")
    if texts and not kind.has_expected:
        raise place.wrong(f"{row['score']!r} has no `expected`", "expected")
    if not texts and kind.has_expected and kind.needs_expected:
        raise place.wrong(f"{row['score']!r} needs `expected`: a right answer, or a list of them", "expected")
    return tuple(texts)


def _is_numeral(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sampling(row: Row, place: Place) -> Sampling:
    sampling = Sampling(temperature=float(row.get("temperature", 0.0)), max_tokens=row.get("max_tokens", MAX_TOKENS))
    try:
        check_sampling(sampling)
    except InvalidInput as error:
        raise place.wrong(error.message.rstrip("."), str(error.facts.get("field"))) from error
    return sampling


def _check_samples(case: Case, place: Place) -> None:
    if case.samples > MOST_SAMPLES:
        raise place.wrong(f"`samples` is {case.samples}; at most {MOST_SAMPLES}", "samples")
    if case.samples > 1 and case.sampling.temperature == 0:
        hint = "Give a `temperature` above 0, or leave `samples` out."
        raise place.wrong("several samples at temperature 0 are the same answer", "samples", hint)


def _constraint(row: Row) -> Constraint | None:
    if row["score"] == "schema" and row.get("constrained"):
        return Constraint(kind="json_schema", text=json.dumps(row["schema"]))
    return None


def _tools(row: Row, place: Place) -> tuple[Tool, ...]:
    found = []
    given = row.get("tools", [])
    for each in given if isinstance(given, list) else [given]:
        is_tool = isinstance(each, dict) and is_text(each.get("name")) and set(each) <= _TOOL_FIELDS
        if not is_tool or not isinstance(each.get("parameters", {}), dict):
            raise place.wrong("`tools` must be a list of `name`, `description` and `parameters`", "tools")
        parameters = json.dumps(each.get("parameters", {"type": "object"}))
        found.append(Tool(name=each["name"], description=str(each.get("description", "")), parameters=parameters))
    return tuple(found)


_TOOL_FIELDS = frozenset(("name", "description", "parameters"))


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), 1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


MakeRows = Callable[[Row, Place], list[dict[str, Any]]]
"""A suite's `make` table to rows of cases. Raises: DataRejected."""
