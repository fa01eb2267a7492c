"""Origin and Sec-Fetch-Site: a page of another site does not get an answer, and no page gets CORS headers."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from edgellm.errors import AccessDenied, InvalidInput
from edgellm.server.guard.headers import one_header
from edgellm.server.refuse import refuse

OWN_SITES = (None, "same-origin", "none")
"""Of Sec-Fetch-Site (Fetch Metadata): no browser, a page of this server, the address bar."""


class OriginGuard:
    """Lets programs through, pages of this server, and pages of allowed origins; for every method.

    The Host header must have been checked before: a page of this server is one whose origin names the same host.
    """

    def __init__(self, app: ASGIApp, allowed: Iterable[str] = ()) -> None:
        """`allowed`: origins such as `https://chat.example.org`."""
        self._app = app
        self._allowed = frozenset(origin.lower().rstrip("/") for origin in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            own = self._is_own(scope)
        except InvalidInput:
            own = False
        if not own:
            message = "The request comes from a page of another site."
            hint = "Allow the site: edgellm serve --allow-origin ORIGIN"
            await refuse(AccessDenied(message, hint=hint, code="origin_refused"), scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        origin, site = one_header(scope, b"origin"), one_header(scope, b"sec-fetch-site")
        if origin is not None and origin.lower() in self._allowed:
            return True
        host = (one_header(scope, b"host") or "").lower()
        is_same = origin is None or origin.lower() in (f"http://{host}", f"https://{host}")
        return is_same and site in OWN_SITES
