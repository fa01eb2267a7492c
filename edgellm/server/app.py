"""The application: guards around routes, and every error in the shape its clients read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import edgellm
from edgellm.errors import EdgeLLMError
from edgellm.server.address import own_names
from edgellm.server.errors import HttpRefused, status_of
from edgellm.server.guard.body import BodyGuard
from edgellm.server.guard.content import ContentGuard
from edgellm.server.guard.headers import HeaderLimits
from edgellm.server.guard.host import HostGuard
from edgellm.server.guard.keys import KeyGuard
from edgellm.server.guard.origin import OriginGuard
from edgellm.server.invalid import invalid
from edgellm.server.published import Published
from edgellm.server.refuse import refusal, refuse
from edgellm.server.rights import TABLE, UPLOADS, route_of
from edgellm.server.routes import (
    admin,
    admin_page,
    anthropic,
    chat,
    completions,
    documents,
    embeddings,
    feedback,
    files,
    fine_tuning,
    health,
    models,
    ollama,
    rerank,
    responses,
    tokens,
)
from edgellm.server.running import ClientGone
from edgellm.server.service import Service
from edgellm.server.upkeep import upkeep

ROUTERS = (
    health.router,
    admin.router,
    admin_page.router,
    models.router,
    chat.router,
    completions.router,
    embeddings.router,
    tokens.router,
    rerank.router,
    documents.router,
    files.router,
    fine_tuning.router,
    feedback.router,
    responses.router,
    anthropic.router,
    ollama.router,
)
THREADS = 64
"""For calls that wait: the store, the start of an answer, tokens. The work itself is done in the engine's process."""
HARMLESS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
"""Headers of every answer that does not say otherwise: nothing is guessed, nothing is kept on the way."""
CLIENT_CLOSED = 499
"""A status that nobody reads; proxies know it."""


def routes(service: Service) -> FastAPI:
    """The routes without their guards."""
    app = Published(
        title="EdgeLLM",
        version=edgellm.__version__,
        lifespan=_running,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        exception_handlers={
            EdgeLLMError: _refused,
            RequestValidationError: _invalid,
            HTTPException: _http,
            ClientGone: _gone,
            Exception: _broken,
        },
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)
    return app


def make_app(service: Service) -> ASGIApp:
    """The whole server. The first guard named here is the last that a request passes."""
    options = service.options
    unguarded = routes(service)
    app: ASGIApp = BodyGuard(unguarded)
    app = ContentGuard(app, takes_upload)
    app = KeyGuard(app, service.keyring, TABLE, service.trail)
    app = OriginGuard(app, options.allow_origins)
    app = HostGuard(app, own_names(options.host, options.allow_hosts))
    return Outermost(HeaderLimits(app), unguarded, service)


class Outermost:
    """Counts requests, lets only HTTP in, and keeps what broke from the outside: a defect is one line in the log."""

    def __init__(self, guarded: ASGIApp, unguarded: ASGIApp, service: Service) -> None:
        """`unguarded`: what hears that the server begins and ends."""
        self._guarded = guarded
        self._unguarded = unguarded
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._unguarded(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        counters, status = self._service.counters, 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": _with_harmless(message["headers"])}
            await send(message)

        counters.open += 1
        try:
            with self._service.tracing.within(scope["headers"]):
                await self._guarded(scope, receive, counted)
        except Exception as error:  # a server's last line of defence; it reports
            self._service.log.error(scope["path"], error)
            if not status:
                await refuse(EdgeLLMError("A defect."), scope, receive, counted)
        finally:
            counters.open -= 1
            counters.requests[route_of(scope["method"], scope["path"]) or "other", status] += 1


def _with_harmless(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    given = list(headers)
    names = {name for name, _ in given}
    return given + [(name, value) for name, value in HARMLESS if name not in names]


def takes_upload(scope: Scope) -> bool:
    """Whether the request's route takes a file."""
    return route_of(scope["method"], scope["path"]) in UPLOADS


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="edgellm-serve")
    asyncio.get_running_loop().set_default_executor(executor)
    beside = asyncio.create_task(upkeep(app.state.service))
    yield
    beside.cancel()
    await asyncio.gather(beside, return_exceptions=True)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, EdgeLLMError)
    if status_of(error) >= 500 and not isinstance(error, HttpRefused):  # what is not offered is no fault
        request.app.state.service.log.error(request.url.path, error)
    return refusal(error, request.url.path)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return refusal(invalid(error.errors(), error.body), request.url.path)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, EdgeLLMError):  # FastAPI wraps what goes wrong while a form is read
        return await _refused(request, error.__cause__)
    return refusal(HttpRefused(f"{error.detail}.", status=error.status_code), request.url.path)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED)


async def _broken(request: Request, _error: Exception) -> Response:
    return refusal(EdgeLLMError("A defect."), request.url.path)
