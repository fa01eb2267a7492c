"""From exceptions to statuses, bodies and headers."""

from __future__ import annotations

import pytest

from edgellm import errors
from edgellm.errors import EdgeLLMError, error_types
from edgellm.server.errors import HttpRefused, ServerStopping, headers_of, openai_error, public, status_of

EXPECTED = [
    (errors.InvalidInput("bad", field="n"), 400, "invalid_request_error", None),
    (errors.InvalidSchema("bad", field="constraint"), 400, "invalid_request_error", "invalid_schema"),
    (errors.ContextOverflow("long"), 400, "invalid_request_error", "context_length_exceeded"),
    (errors.ModelError("an embedder"), 400, "invalid_request_error", None),
    (errors.KeyRefused("no"), 401, "authentication_error", "invalid_api_key"),
    (errors.AccessDenied("no"), 403, "permission_error", "access_denied"),
    (errors.ModelNotFound("none"), 404, "not_found_error", "model_not_found"),
    (errors.NotFound("none"), 404, "not_found_error", "not_found"),
    (errors.BudgetExceeded("spent", limit="tokens_per_day"), 429, "rate_limit_error", "rate_limit_exceeded"),
    (errors.QueueFull("full", limit=8), 503, "server_error", "queue_full"),
    (errors.WorkerDied("dead"), 503, "server_error", "worker_died"),
    (errors.ModelDoesNotFit("large"), 503, "server_error", "model_does_not_fit"),
    (ServerStopping("bye"), 503, "server_error", "server_stopping"),
    (errors.DeadlineExceeded("late"), 504, "timeout_error", "deadline_exceeded"),
    (errors.ModelRejected("/secret/path"), 500, "server_error", None),
    (errors.StoreError("/secret/path"), 500, "server_error", None),
    (EdgeLLMError("/secret/path"), 500, "server_error", None),
    (HttpRefused("type", status=415), 415, "invalid_request_error", None),
]


@pytest.mark.parametrize(("error", "status", "kind", "code"), EXPECTED, ids=lambda value: type(value).__name__)
def test_status_and_shape(error: EdgeLLMError, status: int, kind: str, code: str | None) -> None:
    assert status_of(error) == status
    body = openai_error(public(error, status), status)["error"]
    assert (body["type"], body["code"]) == (kind, code)
    assert "/secret" not in body["message"]


@pytest.mark.parametrize(
    ("error", "param"),
    [
        (errors.AdapterNotFound("none"), "model"),
        (errors.ModelError("an embedder"), "model"),
        (errors.ModelNotFound("none", field="reranker"), "reranker"),
        (errors.SessionNotFound("none"), None),
        (errors.ModelRejected("the server's own trouble"), None),
        (errors.ModelDoesNotFit("the server's own trouble"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_field_that_is_wrong(error: EdgeLLMError, param: str | None) -> None:
    assert openai_error(error, status_of(error))["error"]["param"] == param


def test_every_error_has_a_status() -> None:
    for kind in error_types().values():
        if kind is not HttpRefused:
            assert 400 <= status_of(kind("x")) < 600


def test_hints_of_what_does_not_exist_stay_here() -> None:
    error = errors.ModelNotFound("There is no model 'x'.", hint="Did you mean 'secret'?")
    assert openai_error(public(error, 404), 404)["error"]["message"] == "There is no model 'x'."


def test_when_to_try_again() -> None:
    assert headers_of(errors.BudgetExceeded("x", retry_after_s=12.2), 429) == {"retry-after": "13"}
    assert headers_of(errors.QueueFull("x"), 503) == {"retry-after": "1"}
    assert headers_of(errors.KeyRefused("x"), 401) == {"www-authenticate": "Bearer"}
    assert headers_of(HttpRefused("x", status=405, allow="GET"), 405) == {"allow": "GET"}
    assert headers_of(errors.InvalidInput("x"), 400) == {}
