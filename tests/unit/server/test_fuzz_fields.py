"""Every field of every body, made wrong in every way that its schema forbids: a 400 that names it."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.unit.server.published import MOST_DEPTH, Operation, Place, example, is_taken, operations, texts, wrong

TAKING = [each for each in operations() if each.body is not None]
LEAST = 300
"""Wrong bodies that there must be, so that a page which says nothing is noticed."""


def wrong_bodies(operation: Operation) -> list[tuple[Place, Any]]:
    assert operation.body is not None
    return list(wrong(operation.body, MOST_DEPTH))


def complaint(path: str, place: Place, answer: httpx2.Response) -> str:
    """What is not as it should be about the refusal of a body that is wrong at `place`; empty when nothing is."""
    if answer.status_code != 400:
        return f"{answer.status_code} {answer.text[:200]}"
    error = answer.json()["error"]
    if path.startswith("/api/"):
        return "" if set(answer.json()) == {"error"} and _names(place, error) else answer.text
    if path.startswith("/v1/messages"):
        is_shaped = answer.json()["type"] == "error" and error["type"] == "invalid_request_error"
        return "" if is_shaped and _names(place, error["message"]) else answer.text
    is_shaped = set(error) == {"message", "type", "param", "code"} and error["type"] == "invalid_request_error"
    return "" if is_shaped and _is_near(place, error["param"]) and len(error["message"]) < 400 else answer.text


def _names(place: Place, message: str) -> bool:
    return (not place or str(place[0]) in message) and len(message) < 400


def _is_near(place: Place, named: str) -> bool:
    """Whether the named place is the wrong one, around it, inside it, or beside it in an object of several kinds."""
    wanted = ".".join(map(str, place))
    if not wanted or wanted == named or wanted.startswith(f"{named}.") or named.startswith(f"{wanted}."):
        return True
    around = wanted.rpartition(".")[0]
    return around != "" and around == named.rpartition(".")[0]


@pytest.mark.parametrize("operation", TAKING, ids=lambda each: each.path)
async def test_what_the_schema_forbids_is_refused_by_name(client: httpx2.AsyncClient, operation: Operation) -> None:
    path, complaints = operation.path.replace("{", "").replace("}", ""), []
    for place, body in wrong_bodies(operation):
        answer = await client.request(operation.method, path, json=body)
        found = complaint(path, place, answer)
        if found:
            complaints.append(f"{'.'.join(map(str, place))}: {str(body)[:200]} -> {found}")
    assert not complaints, "\n".join(complaints)


def test_there_are_hundreds_of_them() -> None:
    counts = {each.path: len(wrong_bodies(each)) for each in TAKING}
    assert sum(counts.values()) >= LEAST
    assert all(count >= 5 for count in counts.values()), counts


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", "minimum": 1, "maximum": 4},
        "stop": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
        "any": {},
    },
    "required": ["n"],
    "additionalProperties": False,
}


def test_wrong_values_are_made_from_a_schema() -> None:
    found = list(wrong(SCHEMA))
    assert (("n",), {"n": 0}) in found
    assert (("n",), {"n": 5}) in found
    assert (("n",), {}) in found
    assert (("stop", 0), {"n": 1, "stop": [7]}) in found
    assert (("no_such_field",), {"n": 1, "no_such_field": 1}) in found
    assert not [place for place, _ in found if place[:1] == ("any",)]
    assert not [body for _, body in found if is_taken(SCHEMA, body)]
    assert is_taken(SCHEMA, example(SCHEMA))
    assert list(texts(SCHEMA, "x")) == [(("stop",), {"n": 1, "stop": "x"}), (("stop", 0), {"n": 1, "stop": ["x"]})]
