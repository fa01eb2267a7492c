"""Who is asking, and whether the table of rights lets them."""

from __future__ import annotations

import asyncio
import base64
import binascii

from starlette.types import ASGIApp, Receive, Scope, Send

from edgellm.errors import EdgeLLMError, InvalidInput, KeyRefused, NotFound
from edgellm.server.access import Access
from edgellm.server.caller import Caller
from edgellm.server.errors import HttpRefused
from edgellm.server.guard.headers import one_header
from edgellm.server.keyring import Keyring
from edgellm.server.refuse import refuse
from edgellm.server.rights import PAGES, methods_of, route_of
from edgellm.server.trail import Trail

MOST_CHARACTERS = 256
"""Of a key; ours have 37."""


class KeyGuard:
    """Finds the caller by `Authorization: Bearer` or `x-api-key`, and leaves it in the request's state as `caller`.

    Both headers decide alike. A key in the query string is not looked at: addresses end up in logs. A path without a
    row in the table does not exist. A browser, which sends neither by itself, shows its key to a page as the password
    of HTTP Basic.
    """

    def __init__(self, app: ASGIApp, keyring: Keyring, access: Access, trail: Trail) -> None:
        self._app = app
        self._keyring = keyring
        self._access = access
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            caller = await asyncio.to_thread(self._caller, scope)
            path = _known_route(scope, caller)
            right = self._access.right(scope["method"], path, caller.role if caller else None)
        except EdgeLLMError as error:
            await refuse(error, scope, receive, send)
            return
        scope.setdefault("state", {}).update(caller=caller, right=right)
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope) -> Caller | None:
        """None: no key came, and this server asks for one. Raises: KeyRefused, StoreError."""
        if not self._keyring.is_needed:
            return self._keyring.local
        secret = secret_of(scope)
        if secret is None:
            return None
        caller = self._keyring.find(secret)
        if caller is None:
            self._trail.key_refused(secret, (scope.get("client") or ("",))[0])
            raise KeyRefused("This key is not valid.", hint="Ask the server's administrator for one.")
        return caller


def _known_route(scope: Scope, caller: Caller | None) -> str:
    """The declared path of the route. Raises: NotFound, HttpRefused (405); KeyRefused before both without a key."""
    method, path = scope["method"], scope["path"]
    known = route_of(method, path)
    if known is not None:
        return known
    if caller is None:
        raise KeyRefused("This needs a key.", hint="Send it as `Authorization: Bearer KEY` or as `x-api-key`.")
    methods = methods_of(path)
    if methods:
        message = f"{method[:20]} is not a method of this route."
        raise HttpRefused(message, status=405, allow=", ".join(methods))
    raise NotFound(f"There is no route {path[:200]!r}.")


def secret_of(scope: Scope) -> str | None:
    """The key that came with a request. Raises: KeyRefused for an odd form, and for two keys that differ."""
    try:
        bearer, plain = one_header(scope, b"authorization"), one_header(scope, b"x-api-key")
    except InvalidInput as error:
        raise KeyRefused(error.message) from None
    secrets = {_of_authorization(bearer, scope["path"])} if bearer is not None else set()
    if plain is not None:
        secrets.add(plain.strip())
    if len(secrets) > 1:
        raise KeyRefused("The request brings two different keys.", hint="Send one of them.")
    secret = secrets.pop() if secrets else None
    if secret is not None and not 0 < len(secret) <= MOST_CHARACTERS:
        raise KeyRefused("This key is not valid.")
    return secret


def _of_authorization(value: str, path: str) -> str:
    scheme, _, secret = value.strip().partition(" ")
    if scheme.lower() == "basic" and path in PAGES:
        return _password(secret.strip())
    if scheme.lower() != "bearer":
        raise KeyRefused(f"The Authorization scheme is {scheme[:20]!r}; it must be Bearer.")
    return secret.strip()


def _password(credentials: str) -> str:
    """The password in HTTP Basic (RFC 7617), whatever name stands before it. Raises: KeyRefused."""
    try:
        return base64.b64decode(credentials, validate=True).decode("ascii").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        raise KeyRefused("This key is not valid.") from None
