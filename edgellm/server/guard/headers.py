"""Headers: reading one that may come once only, and how much of them is taken."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from edgellm.errors import InvalidInput
from edgellm.server.errors import HttpRefused
from edgellm.server.refuse import refuse

MOST, MOST_BYTES = 100, 32 * 1024
"""Headers of one request, and their length together."""


def one_header(scope: Scope, name: bytes) -> str | None:
    """The value of a header; None when it is missing. Raises: InvalidInput when it comes twice or is not ASCII."""
    values: list[bytes] = [value for found, value in scope["headers"] if found == name]
    if len(values) > 1:
        raise InvalidInput(f"The header {name.decode()!r} was sent {len(values)} times.", field=name.decode())
    if values and not values[0].isascii():
        raise InvalidInput(f"The header {name.decode()!r} holds other characters than ASCII.", field=name.decode())
    return values[0].decode() if values else None


class HeaderLimits:
    """Refuses requests with more headers than any client has a use for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        headers = scope["headers"]
        length = sum(len(name) + len(value) for name, value in headers) + len(scope.get("query_string", b""))
        if len(headers) > MOST or length > MOST_BYTES:
            message = f"The request has {len(headers)} headers of {length} bytes; {MOST} of {MOST_BYTES} are taken."
            await refuse(HttpRefused(message, status=431), scope, receive, send)
            return
        await self._app(scope, receive, send)
