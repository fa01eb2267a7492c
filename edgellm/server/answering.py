"""A call answered over HTTP: whole or as a stream, in the words of its dialect."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edgellm.errors import EdgeLLMError
from edgellm.server.call import AnswerId, Call
from edgellm.server.caller import Caller
from edgellm.server.dialects import Dialect, Frames
from edgellm.server.errors import public, status_of
from edgellm.server.generation import Generation
from edgellm.server.refuse import JsonResponse
from edgellm.server.running import ClientGone, Ended, Running
from edgellm.server.service import Service
from edgellm.types import Delta, Prefill, Reply, StreamEvent

KEEP_ALIVE_S = 10.0
"""A client never waits longer for a sign of life; also how long a refusal may still become an HTTP status."""

Item = StreamEvent | Ended[Reply] | None


def service_of(request: Request) -> Service:
    """The server's parts."""
    service: Service = request.app.state.service
    return service


def caller_of_request(request: Request) -> Caller:
    """Who asks, as the key guard found it."""
    caller: Caller = request.state.caller
    return caller


def new_answer(prefix: str) -> AnswerId:
    """An id that nobody guesses, and the time."""
    return AnswerId(f"{prefix}{secrets.token_hex(12)}", int(time.time()))


async def answer(request: Request, dialect: Dialect, call: Call, prefix: str) -> Response:
    """The answer to a call. Raises: what refuses it before its first token."""
    name = new_answer(prefix)
    running = begin(request, call, name)
    if call.is_stream:
        return await _streamed(running, dialect, call, name)
    async with running:
        return JsonResponse(dialect.whole(call, await running.result(), name))


def begin(request: Request, call: Call, name: AnswerId) -> Running[Reply]:
    """Start the work on a call."""
    service, caller = service_of(request), caller_of_request(request)
    return Running(service, caller, request.receive, Generation(service, caller, call, name).run)


async def together(
    request: Request, calls: Sequence[Call], name: AnswerId, render: Callable[[Sequence[Reply]], dict[str, Any]]
) -> Response:
    """One answer to several calls, which are worked on one after the other."""
    service, caller = service_of(request), caller_of_request(request)

    async def work(put: Callable[[StreamEvent], None]) -> list[Reply]:
        names = [AnswerId(f"{name.id}-{number}" if number else name.id, name.created) for number in range(len(calls))]
        return [await Generation(service, caller, call, each).run(put) for call, each in zip(calls, names, strict=True)]

    async with Running(service, caller, request.receive, work) as running:
        return JsonResponse(render(await running.result()))


async def _streamed(running: Running[Reply], dialect: Dialect, call: Call, name: AnswerId) -> Response:
    """A stream, begun once the engine reads or writes: until then a refusal is an HTTP status."""
    try:
        first = await _first(running)
    except BaseException:
        await running.close()
        raise
    return StreamAnswer(running, first, dialect.frames(call, name), dialect.media_type)


async def _first(running: Running[Reply]) -> list[Item]:
    items: list[Item] = []
    until = time.monotonic() + KEEP_ALIVE_S
    while time.monotonic() < until:
        items.append(await running.next())
        if isinstance(items[-1], Delta | Prefill | Ended):
            break
    return items


class StreamAnswer(Response):
    """The frames of a running answer; its end frees the engine, whoever ends it."""

    def __init__(self, running: Running[Reply], first: Sequence[Item], frames: Frames, media_type: str) -> None:
        super().__init__(media_type=media_type, headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._running = running
        self._first = list(first)
        self._frames = frames
        self._said_at = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI
        """ASGI."""
        async with self._running:
            try:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await self._say(send, self._frames.begin())
                await self._follow(send)
            except ClientGone:
                return
            except Exception as error:  # a stream's last line of defence; it reports
                await self._fail(scope, send, error)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _fail(self, scope: Scope, send: Send, error: Exception) -> None:
        """End the stream with an error that its client can read."""
        known = error if isinstance(error, EdgeLLMError) else EdgeLLMError("A defect.")
        status = status_of(known)
        if status >= 500:
            scope["app"].state.service.log.error(scope["path"], error)
        await self._say(send, self._frames.failed(public(known, status), status))

    async def _follow(self, send: Send) -> None:
        """Raises: what ends the answer before its time."""
        while True:
            item = self._first.pop(0) if self._first else await self._running.next()
            if isinstance(item, Ended):
                await self._say(send, self._frames.end(item.result))
                return
            await self._say(send, [] if item is None else self._frames.event(item))

    async def _say(self, send: Send, frames: list[bytes]) -> None:
        if not frames and time.monotonic() - self._said_at >= KEEP_ALIVE_S:
            frames = [self._frames.keep_alive()]
        text = b"".join(frames)
        if text:
            self._said_at = time.monotonic()
            await send({"type": "http.response.body", "body": text, "more_body": True})
