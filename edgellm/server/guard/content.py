"""Content types: a body is JSON, or an upload where the route takes one."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from edgellm.errors import InvalidInput
from edgellm.server.errors import HttpRefused
from edgellm.server.guard.headers import one_header
from edgellm.server.refuse import refuse

TAKES_NO_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
JSON, UPLOAD = "application/json", "multipart/form-data"


class ContentGuard:
    """Refuses what a form of a foreign page could send, and what is compressed: 415."""

    def __init__(self, app: ASGIApp, takes_upload: Callable[[Scope], bool]) -> None:
        self._app = app
        self._takes_upload = takes_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            self._check(scope)
        except (HttpRefused, InvalidInput) as error:
            await refuse(error, scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        """Raises: HttpRefused (415), InvalidInput for a header that comes twice."""
        if scope["method"] in TAKES_NO_BODY:
            return
        given, length = one_header(scope, b"content-type"), one_header(scope, b"content-length")
        if one_header(scope, b"content-encoding") not in (None, "identity"):
            raise HttpRefused("A compressed body is not taken.", hint="Send it as it is.", status=415)
        has_body = given is not None or length not in (None, "0") or one_header(scope, b"transfer-encoding") is not None
        wanted = UPLOAD if self._takes_upload(scope) else JSON
        if has_body and media_type(given) != wanted:
            message = f"The body's Content-Type is {given or 'missing'!r}; this route takes {wanted}."
            raise HttpRefused(message, status=415)


def media_type(content_type: str | None) -> str:
    """`application/json` of `application/json; charset=utf-8`."""
    return (content_type or "").partition(";")[0].strip().lower()
