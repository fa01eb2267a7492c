"""The Host allow-list: a name that was pointed at this machine by somebody else (DNS rebinding) is not answered."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from edgellm.errors import AccessDenied, InvalidInput
from edgellm.server.guard.headers import one_header
from edgellm.server.refuse import refuse

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names of this machine, with any port."""
_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,253})(?::[0-9]{1,5})?")


def host_name(value: str) -> str | None:
    """The name in a Host header, in small letters and without the port; None when it has another form."""
    found = _HOST.fullmatch(value.lower())
    return found.group(1) if found else None


class HostGuard:
    """Answers requests to names of the allow-list and to the address that the connection came in on."""

    def __init__(self, app: ASGIApp, allowed: Iterable[str] = ()) -> None:
        """`allowed`: names besides `LOOPBACK`, without port; an IPv6 address in brackets."""
        self._app = app
        self._allowed = LOOPBACK | {name.lower() for name in allowed}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            name = host_name(one_header(scope, b"host") or "")
        except InvalidInput:
            name = None
        if name is None or not (name in self._allowed or name == _own_address(scope)):
            message = "The request's Host is not a name of this server."
            hint = "Call it by its address, or allow the name: edgellm serve --allow-host NAME"
            await refuse(AccessDenied(message, hint=hint, code="host_refused"), scope, receive, send)
            return
        await self._app(scope, receive, send)


def _own_address(scope: Scope) -> str | None:
    """The address that the connection came in on, as a Host header writes it. No name leads a browser to it."""
    server = scope.get("server")
    try:
        address = ipaddress.ip_address(server[0] if server else "")
    except ValueError:
        return None
    return f"[{address}]" if address.version == 6 else str(address)
