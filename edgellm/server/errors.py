"""From an exception to a status and a body: one table, and OpenAI's shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from edgellm import errors
from edgellm.errors import EdgeLLMError


class HttpRefused(EdgeLLMError):
    """A request that HTTP itself has a status for; facts: `status`."""


class ServerStopping(errors.EngineError):
    """The server is shutting down; what was asked cannot be finished."""


STATUS: Mapping[type[EdgeLLMError], int] = {
    errors.InvalidInput: 400,
    errors.ModelError: 400,
    errors.NotFound: 404,
    errors.KeyRefused: 401,
    errors.AccessDenied: 403,
    errors.BudgetExceeded: 429,
    errors.QueueFull: 503,
    errors.WorkerDied: 503,
    ServerStopping: 503,
    errors.DeadlineExceeded: 504,
    errors.ModelDoesNotFit: 503,
    errors.ModelRejected: 500,
    errors.ModelLoadFailed: 500,
    errors.MissingExtra: 501,
    errors.StoreBusy: 503,
    errors.DiskFull: 507,
    EdgeLLMError: 500,
}
"""By the most specific type; what is not a sort of EdgeLLMError is a defect, and 500 too."""

CODES: Mapping[type[EdgeLLMError], str] = {
    errors.ContextOverflow: "context_length_exceeded",
    errors.InvalidSchema: "invalid_schema",
    errors.ModelNotFound: "model_not_found",
    errors.NotFound: "not_found",
    errors.KeyRefused: "invalid_api_key",
    errors.AccessDenied: "access_denied",
    errors.BudgetExceeded: "rate_limit_exceeded",
    errors.QueueFull: "queue_full",
    errors.WorkerDied: "worker_died",
    errors.DeadlineExceeded: "deadline_exceeded",
    errors.ModelDoesNotFit: "model_does_not_fit",
    ServerStopping: "server_stopping",
}
PARAMS: Mapping[type[EdgeLLMError], str] = {errors.ModelNotFound: "model", errors.ModelError: "model"}
"""Which of a client's fields is wrong where the error itself does not say."""
RETRIES_S: Mapping[type[EdgeLLMError], float] = {
    errors.QueueFull: 1,
    errors.WorkerDied: 5,
    errors.ModelDoesNotFit: 30,
    errors.StoreBusy: 1,
    ServerStopping: 5,
}
"""What a client is told to wait where the error itself does not say."""
SAID: Mapping[type[EdgeLLMError], str] = {
    errors.WorkerDied: "The engine process ended while it worked on this. It is started again.",
    errors.ModelDoesNotFit: "The model does not fit into the memory that is free at the moment.",
    errors.StoreBusy: "The server's store is busy.",
    errors.DiskFull: "The server's disk is full.",
    EdgeLLMError: "The server could not do this. Its log says why.",
}
"""What a client reads of the server's own trouble: paths and names of this machine stay here."""
OPEN = (errors.QueueFull, errors.DeadlineExceeded, errors.MissingExtra, ServerStopping)
"""Errors of 500 and above whose own words hold nothing of this machine."""
KINDS: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    504: "timeout_error",
}
T = TypeVar("T")


def status_of(error: EdgeLLMError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, HttpRefused):
        return int(str(error.facts["status"]))
    return _by_type(STATUS, error) or 500


def headers_of(error: EdgeLLMError, status: int) -> dict[str, str]:
    """What a client needs beside the body: when to try again, how to say who it is, which methods there are."""
    headers = {}
    wait_s = error.facts.get("retry_after_s") or _by_type(RETRIES_S, error)
    if status in (429, 503) and isinstance(wait_s, int | float):
        headers["retry-after"] = str(max(1, math.ceil(wait_s)))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status == 405:
        headers["allow"] = str(error.facts.get("allow", ""))
    if status in (408, 413):
        headers["connection"] = "close"  # the rest of the body is not wanted
    return headers


def public(error: EdgeLLMError, status: int) -> EdgeLLMError:
    """The error as a client may read it.

    Without the hint of something that does not exist: it suggests names that the key may have no right to know.
    """
    message, hint = error.message, error.hint
    if status >= 500 and not isinstance(error, (*OPEN, HttpRefused)):
        message, hint = _by_type(SAID, error) or "", ""
    elif isinstance(error, errors.NotFound):
        hint = ""
    return type(error)(message, hint=hint, **error.facts)


def code_of(error: EdgeLLMError) -> str | None:
    """A short name of what happened, for programs."""
    named = error.facts.get("code")
    return str(named) if named else _by_type(CODES, error)


def openai_error(error: EdgeLLMError, status: int) -> dict[str, Any]:
    """The body of a refusal as OpenAI's clients read it."""
    kind = KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    field = error.facts.get("field", _by_type(PARAMS, error) if status < 500 else None)
    param = None if field is None else str(field)
    return {"error": {"message": str(error), "type": kind, "param": param, "code": code_of(error)}}


def _by_type(table: Mapping[type[EdgeLLMError], T], error: EdgeLLMError) -> T | None:
    """The entry of the error's most specific type."""
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)
