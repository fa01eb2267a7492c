"""The body: how long it may be, how long it may take, and which JSON it may hold."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgellm.errors import InvalidInput
from edgellm.server.errors import HttpRefused
from edgellm.server.guard.content import JSON, TAKES_NO_BODY, UPLOAD, media_type
from edgellm.server.guard.headers import one_header
from edgellm.server.json_text import read_json
from edgellm.server.refuse import refuse

JSON_BYTES, UPLOAD_BYTES = 8 * 2**20, 512 * 2**20
READ_S = 30.0
"""A JSON body is here by then."""
UNWANTED_BYTES, UNWANTED_S = 64 * 2**20, 5.0
"""So much of a JSON body that is too long is still taken, and for so long: many clients read no answer before all is
sent, and a connection that is closed while they send takes the answer's words away from them."""
LONG_JSON_BYTES = 64 * 1024
"""From here on JSON is read in a thread: the others' answers go on meanwhile."""


class BodyGuard:
    """Reads a JSON body whole, checks it and hands it on; counts the bytes of an upload as they pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["method"] in TAKES_NO_BODY:
            await self._app(scope, receive, send)
            return
        try:
            kind = media_type(one_header(scope, b"content-type"))
            most = UPLOAD_BYTES if kind == UPLOAD else JSON_BYTES
            length = one_header(scope, b"content-length")
            try:
                _check_length(length, most)
            except HttpRefused:
                await _take_unwanted(length, receive)
                raise
            if kind == UPLOAD:
                receive = _counted(receive, most)
            else:
                receive = _replayed(await _checked_body(receive, kind), receive)
        except (HttpRefused, InvalidInput) as error:
            await refuse(error, scope, receive, send)
            return
        except Gone:
            return
        await self._app(scope, receive, send)


class Gone(Exception):
    """The client went away before its body was here."""


async def _checked_body(receive: Receive, kind: str) -> bytes:
    """Raises: HttpRefused (413, 408), InvalidInput, Gone."""
    try:
        async with asyncio.timeout(READ_S):
            body = await _whole_body(receive)
    except TimeoutError:
        raise HttpRefused(f"The body was not here after {READ_S:g} s.", status=408) from None
    if kind == JSON and body:
        if len(body) < LONG_JSON_BYTES:
            read_json(body)
        else:
            await asyncio.to_thread(read_json, body)
    return body


async def _whole_body(receive: Receive) -> bytes:
    parts, length = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > JSON_BYTES:
            raise _too_long(JSON_BYTES)
        if not message.get("more_body", False):
            return b"".join(parts)


def _check_length(given: str | None, most: int) -> None:
    if given is None:
        return
    if not given.isdecimal():
        raise InvalidInput(f"The Content-Length is {given[:40]!r}, not a number of bytes.", field="content-length")
    if len(given) > len(str(most)) + 1 or int(given) > most:
        raise _too_long(most)


async def _take_unwanted(length: str | None, receive: Receive) -> None:
    """Read what is refused, so that the client comes to read why; not what is far too long or does not come."""
    if length is None or len(length) > len(str(UNWANTED_BYTES)) or int(length) > UNWANTED_BYTES:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(UNWANTED_S):
            while (await receive()).get("more_body", False):
                pass


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What the application receives: the body once, then what the connection says."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _counted(receive: Receive, most: int) -> Receive:
    """What the application receives. Raises: HttpRefused when an upload turns out to be too long."""
    seen = 0

    async def count() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise _too_long(most)
        return message

    return count


def _too_long(most: int) -> HttpRefused:
    return HttpRefused(f"The body is longer than {most // 2**20} MiB.", status=413)
