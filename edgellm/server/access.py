"""Who may call which route, and on whose objects: the table of rights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from edgellm.errors import AccessDenied, KeyRefused
from edgellm.store.keys import Role

__all__ = ["Access", "Right", "Role", "Row"]


class Right(StrEnum):
    """How far a route reaches for one role."""

    NONE = "none"
    """Refused: 403, and 401 where no key came."""
    OWN = "own"
    """The caller's own objects; those of another tenant do not exist (404)."""
    ALL = "all"
    """Every tenant's objects, and what belongs to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One route of the table."""

    method: str
    """In capitals: `GET`."""
    path: str
    """As the route declares it, parameters in braces: `/v1/models/{id}`."""
    admin: Right
    user: Right
    viewer: Right
    stranger: Right = Right.NONE
    """Without a key, where the server asks for one."""

    def right(self, role: Role | None) -> Right:
        """What a role may do here; None is somebody without a key."""
        by_role: dict[Role | None, Right] = {"admin": self.admin, "user": self.user, "viewer": self.viewer}
        return by_role.get(role, self.stranger)


class Access:
    """The table, looked up by route. A route that has no row is refused to everyone."""

    def __init__(self, rows: Iterable[Row]) -> None:
        """Raises: ValueError when two rows are for the same route."""
        table: dict[tuple[str, str], Row] = {}
        for row in rows:
            if (row.method, row.path) in table:
                raise ValueError(f"two rows of the table of rights are for {row.method} {row.path}")
            table[row.method, row.path] = row
        self.rows: Mapping[tuple[str, str], Row] = table

    def right(self, method: str, path: str, role: Role | None) -> Right:
        """What a role may do on a route: OWN or ALL. Raises: KeyRefused without a key, AccessDenied with one."""
        row = self.rows.get((method, path))
        right = Right.NONE if row is None else row.right(role)
        if right is not Right.NONE:
            return right
        if role is None:
            raise KeyRefused("This needs a key.", hint="Send it as `Authorization: Bearer KEY` or as `x-api-key`.")
        raise AccessDenied(f"A key of the role {role!r} has no right to this.", role=role)
