"""From what a server refuses to the exception that the same trouble raises in this program; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgellm import errors
from edgellm.errors import EdgeLLMError, EngineError

BY_CODE: Mapping[str, type[EdgeLLMError]] = {
    "context_length_exceeded": errors.ContextOverflow,
    "invalid_schema": errors.InvalidSchema,
    "model_not_found": errors.ModelNotFound,
    "not_found": errors.NotFound,
    "invalid_api_key": errors.KeyRefused,
    "access_denied": errors.AccessDenied,
    "rate_limit_exceeded": errors.BudgetExceeded,
    "queue_full": errors.QueueFull,
    "worker_died": errors.WorkerDied,
    "deadline_exceeded": errors.DeadlineExceeded,
    "model_does_not_fit": errors.ModelDoesNotFit,
}
BY_STATUS: Mapping[int, type[EdgeLLMError]] = {
    401: errors.KeyRefused,
    403: errors.AccessDenied,
    404: errors.NotFound,
    429: errors.BudgetExceeded,
    501: errors.MissingExtra,
    504: errors.DeadlineExceeded,
}


def refused(status: int, body: Any, retry_after: str | None = None) -> EdgeLLMError:
    """The exception for an answer of this status; `body` is its JSON, or anything at all from a stranger."""
    said = body.get("error") if isinstance(body, dict) else None
    found: Mapping[str, Any] = said if isinstance(said, dict) else {}
    message = found.get("message")
    if not isinstance(message, str) or not message:
        message = f"The server answered with status {status} and said nothing."
    facts: dict[str, errors.Fact] = {"status": status}
    if isinstance(found.get("param"), str):
        facts["field"] = found["param"]
    if retry_after is not None and retry_after.isdecimal():
        facts["retry_after_s"] = int(retry_after)
    error = _kind(status, found.get("code"))(message)
    error.facts = facts
    return error


def _kind(status: int, code: object) -> type[EdgeLLMError]:
    if isinstance(code, str) and code in BY_CODE:
        return BY_CODE[code]
    if status in BY_STATUS:
        return BY_STATUS[status]
    return errors.InvalidInput if 400 <= status < 500 else EngineError


def unreachable(url: str, error: Exception) -> EngineError:
    """The exception for a server that does not answer."""
    return EngineError(
        f"No EdgeLLM server answers at {url}: {error or type(error).__name__}.",
        hint="Check the address, or start one: edgellm serve",
        url=url,
    )
