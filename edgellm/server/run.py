"""The server's process: it listens, says that it is ready, drains, ends."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.address import is_loopback, listen, url_of
from edgellm.server.app import make_app
from edgellm.server.drain import Drain
from edgellm.server.service import ServeOptions, open_service

GRACE_S = 9
"""From the first signal to the moment when whatever still runs is cut off."""
KEEP_ALIVE_S = 30
"""An idle connection is closed after this time."""
SILENT_S = 60.0
"""A connection is closed on which no request has come together for this long, or whose client reads nothing."""
HEADER_BYTES = 64 * 1024
"""Of a request's first line and headers, as far as the parser reads them."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What whoever started the server needs to know."""

    url: str
    model: str
    token: str | None


class Server(uvicorn.Server):
    """uvicorn's server: the first signal drains, the second one ends; neither is an error."""

    def __init__(self, config: uvicorn.Config, drain: Drain, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._drain = drain
        self._on_ready = on_ready
        self._silent: dict[object, tuple[tuple[object, int], float]] = {}
        """Connections on which nothing happens: what was seen of each, and since when it is so."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to end."""
        if counter % 10 == 0:
            self._close_silent(time.monotonic())
        return await super().on_tick(counter)

    def _close_silent(self, now: float) -> None:
        """Close connections whose client does nothing: a hundred of them would be a full table.

        uvicorn waits forever for the rest of a request's headers, and for who does not read its answer.
        """
        before, self._silent = self._silent, {}
        for connection in list(self.server_state.connections):
            cycle, unread_bytes = getattr(connection, "cycle", None), connection.transport.get_write_buffer_size()
            if cycle is not None and not cycle.response_complete and not unread_bytes:
                continue  # it is worked on
            state, since = before.get(connection, ((cycle, unread_bytes), now))
            if state != (cycle, unread_bytes):
                self._silent[connection] = ((cycle, unread_bytes), now)
            elif now - since < SILENT_S:
                self._silent[connection] = (state, since)
            elif unread_bytes:
                connection.transport.abort()  # closing it would wait until all is read
            else:
                connection.transport.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  uvicorn's signature
        """A signal."""
        self.stop()

    def stop(self) -> None:
        """Take nothing new and let what runs end; the second time, end now. Any thread."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._drain.begin()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then cut off what is left."""
        cutting = asyncio.create_task(self._cut_off())
        await super().shutdown(sockets)
        cutting.cancel()

    async def _cut_off(self) -> None:
        """Close every connection once the second signal came: uvicorn alone would wait for some of them."""
        while not self.force_exit:
            await asyncio.sleep(0.05)
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def serve(
    edge: EdgeLLM,
    options: ServeOptions,
    *,
    on_ready: Callable[[Ready], None],
    with_token: bool = False,
    admin_token: str | None = None,
    until: Callable[[], None] | None = None,
) -> None:
    """Run a server until a signal ends it. `edge` stays open.

    Args:
        on_ready: hears once that requests are taken.
        with_token: make a token that is the only key.
        admin_token: what whoever started the server shows, besides the keys.
        until: waited for in a thread; when it returns, the server drains and ends.

    Raises: InvalidInput when the address cannot be used; StoreError.
    """
    token = secrets.token_urlsafe(32) if with_token else None
    service = open_service(edge, options, is_open=is_loopback(options.host), token=token, admin_token=admin_token)
    with listen(options.host, options.port) as listening:
        ready = Ready(url_of(listening, options.host), service.names.own, token)

        def begun() -> None:
            service.trail.started(ready.url, ready.model)
            on_ready(ready)

        server = Server(config_of(make_app(service)), service.drain, begun)
        if until is not None:
            threading.Thread(target=_stop_after, args=(until, server), name="edgellm-until", daemon=True).start()
        _also_hang_up(server)
        try:
            asyncio.run(_served(server, listening))
        finally:
            if server.started:
                service.trail.stopped(ready.url)
            service.tracing.close()


async def _served(server: Server, listening: socket.socket) -> None:
    try:
        await server.serve(sockets=[listening])
    finally:
        # asyncio waits for the threads of its executor, some of which cannot be interrupted. They wait for engines,
        # which are closed next.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1, thread_name_prefix="edgellm-last"))


def config_of(app: ASGIApp) -> uvicorn.Config:
    """How uvicorn serves it: one process, HTTP 1 only, no log of its own."""
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        workers=1,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=HEADER_BYTES,
    )


def _stop_after(until: Callable[[], None], server: Server) -> None:
    until()
    server.stop()


def _also_hang_up(server: Server) -> None:
    """A terminal that is closed ends the server like other signals, unless `nohup` wants it to stay."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return
    signal.signal(signal.SIGHUP, server.handle_exit)
