"""A server with a socket, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.address import listen
from edgellm.server.app import make_app
from edgellm.server.run import Server, config_of
from edgellm.server.service import ServeOptions, Service, open_service

WAIT_S = 20.0


@dataclass(frozen=True)
class Served:
    """Where it listens, and its parts."""

    port: int
    service: Service
    server: Server

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def served(edge: EdgeLLM, options: ServeOptions | None = None) -> Iterator[Served]:
    """A server that takes requests until the block is left."""
    service = open_service(edge, options or ServeOptions(), is_open=True)
    ready = threading.Event()
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        server = Server(config_of(make_app(service)), service.drain, ready.set)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
        thread.start()
        try:
            assert ready.wait(WAIT_S)
            yield Served(port, service, server)
        finally:
            server.stop()
            server.stop()
            thread.join(WAIT_S)
            assert not thread.is_alive()
