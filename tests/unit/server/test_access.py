"""The table of rights: looked up by route and role; what has no row is refused."""

from __future__ import annotations

import pytest

from edgellm.errors import AccessDenied, KeyRefused
from edgellm.server.access import Access, Right, Role, Row

HEALTH = Row(method="GET", path="/health", admin=Right.ALL, user=Right.ALL, viewer=Right.ALL, stranger=Right.ALL)
FILES = Row(method="DELETE", path="/v1/files/{id}", admin=Right.ALL, user=Right.OWN, viewer=Right.NONE)
ACCESS = Access([HEALTH, FILES])
ROLES: tuple[Role, ...] = ("admin", "user", "viewer")


@pytest.mark.parametrize(
    ("row", "role", "right"),
    [
        (HEALTH, "admin", Right.ALL),
        (HEALTH, "viewer", Right.ALL),
        (HEALTH, None, Right.ALL),
        (FILES, "admin", Right.ALL),
        (FILES, "user", Right.OWN),
    ],
)
def test_a_right_is_the_tables(row: Row, role: Role | None, right: Right) -> None:
    assert ACCESS.right(row.method, row.path, role) is right


def test_without_a_right_a_key_is_denied_and_no_key_is_asked_for_one() -> None:
    with pytest.raises(AccessDenied, match="'viewer'") as caught:
        ACCESS.right("DELETE", "/v1/files/{id}", "viewer")
    assert caught.value.facts == {"role": "viewer"}
    with pytest.raises(KeyRefused, match="needs a key"):
        ACCESS.right("DELETE", "/v1/files/{id}", None)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/files/{id}"), ("DELETE", "/v1/files/x"), ("GET", "/new")])
def test_a_route_without_a_row_is_refused_to_everyone(method: str, path: str) -> None:
    for role in ROLES:
        with pytest.raises(AccessDenied):
            ACCESS.right(method, path, role)
    with pytest.raises(KeyRefused):
        ACCESS.right(method, path, None)


def test_two_rows_for_one_route_are_a_defect() -> None:
    with pytest.raises(ValueError, match="DELETE /v1/files"):
        Access([FILES, FILES])


def test_a_row_knows_every_role() -> None:
    rights = [FILES.right(role) for role in (*ROLES, None)]
    assert rights == [Right.ALL, Right.OWN, Right.NONE, Right.NONE]
