"""What the bodies of all dialects share: strict values, and refusals that name the client's own field."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict

from edgellm.errors import EdgeLLMError, InvalidInput
from edgellm.sampling import check_sampling
from edgellm.server.json_text import json_bytes
from edgellm.types import Constraint, Sampling

E = TypeVar("E", bound=EdgeLLMError)
Whole = Annotated[int, Strict()]
"""A JSON integer; neither a text nor a boolean is taken for one."""
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""What chat templates and the engine take as the name of a tool."""
Harmless = Any
"""A field that changes nothing of the answer here, whatever it says."""


class Body(BaseModel):
    """A JSON object of a client; a field that is not declared is refused by its name."""

    model_config = ConfigDict(extra="forbid")


class Unread(BaseModel):
    """A part of a kind that nothing here reads; it is refused by that kind's name."""

    model_config = ConfigDict(extra="allow")

    type: str


def refuse(field: str, why: str, hint: str = "") -> NoReturn:
    """Raise InvalidInput for a field as the client calls it."""
    raise InvalidInput(f"{field}: {why}", hint=hint, field=field)


def under(error: E, field: str) -> E:
    """The error with the client's own name of the field."""
    facts: dict[str, Any] = {**error.facts, "field": field}
    return type(error)(error.message, hint=error.hint, **facts)


def refuse_given(body: BaseModel, reasons: Mapping[str, str]) -> None:
    """Refuse fields that this server cannot honour, unless they are absent, null, false or empty.

    `reasons`: why, by the field's name.
    """
    for field, why in reasons.items():
        if getattr(body, field):
            refuse(field, why, "Leave it out.")


def refuse_unread(part: Unread, field: str) -> NoReturn:
    """Raise InvalidInput for a part of an unknown kind."""
    refuse(f"{field}.type", f"{part.type[:40]!r} is not read here.", "Send text.")


def refuse_extra(body: BaseModel, field: str) -> None:
    """Refuse the first field that a body which takes any does not know."""
    for name in body.model_extra or ():
        refuse(f"{field}.{name[:40]}", "it is not known here.", "Leave it out.")


def as_json(value: Any) -> str:
    """A client's JSON value as text."""
    return json_bytes(value).decode()


def schema_constraint(schema: Mapping[str, Any]) -> Constraint:
    """Answers must be valid under a client's JSON schema."""
    return Constraint(kind="json_schema", text=as_json(schema))


def sampled(defaults: Sampling, given: Mapping[str, Any], names: Mapping[str, str]) -> Sampling:
    """`defaults` with what the client says; None says nothing.

    `names`: what the client calls our fields, where that differs. Raises: InvalidInput that names the client's field.
    """
    sampling = replace(defaults, **{name: value for name, value in given.items() if value is not None})
    try:
        check_sampling(sampling)
    except InvalidInput as error:
        ours = str(error.facts["field"])
        theirs = names.get(ours, ours)
        facts: dict[str, Any] = {**error.facts, "field": theirs}
        raise InvalidInput(error.message.replace(ours, theirs, 1), **facts) from error
    return sampling


def json_object(text: str) -> dict[str, Any] | None:
    """The object that a model wrote as a call's arguments; None when it was cut off, or is no JSON."""
    try:
        value = json.loads(text or "{}", parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)
