"""What an evaluation is asked to do."""

from __future__ import annotations

from typing import Any

import msgspec

from edgellm.decoding import convert
from edgellm.errors import InvalidInput
from edgellm.evals.runner import TOGETHER

MOST_TOGETHER = 64


class SuiteFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A suite as it was when the run was begun."""

    path: str
    sha256: str


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A subject: as the user wrote it, and what finds it again from any folder."""

    name: str
    target: str


class EvalRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of an `evaluate` job, JSON values."""

    suites: tuple[SuiteFile, ...]
    subjects: tuple[Named, ...]
    """The one that is judged, then its baselines."""
    judge: Named | None = None
    together: int = TOGETHER
    """Cases asked at once."""
    has_speed: bool = False
    """Whether the first two subjects' speed is measured, too."""


def request_from(arguments: Any) -> EvalRequest:
    """The request in a job's arguments. Raises: InvalidInput."""
    try:
        request = convert(arguments, EvalRequest)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The evaluation is not understood: {error}.", field="arguments") from error
    if not request.suites or not request.subjects:
        raise InvalidInput("An evaluation needs a suite and a subject.", field="suites")
    if not 1 <= request.together <= MOST_TOGETHER:
        message = f"together is {request.together}; it must be from 1 to {MOST_TOGETHER}."
        raise InvalidInput(message, field="together")
    return request
