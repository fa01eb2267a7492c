"""A server over the built-in fake model, called without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.app import make_app
from edgellm.server.service import ServeOptions, Service, open_service
from edgellm.settings import Settings

BASE = "http://127.0.0.1:8000"


@pytest.fixture(scope="package")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    """Without keys: whoever calls is this machine's user."""
    home = tmp_path_factory.mktemp("served")
    with EdgeLLM("fake:", home=home, settings=Settings(context_tokens=1024)) as made:
        yield made


@pytest.fixture
def own_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    """One of the test's own, to make keys in."""
    home = tmp_path_factory.mktemp("own")
    with EdgeLLM("fake:", home=home, settings=Settings(context_tokens=1024)) as made:
        yield made


def client_of(service: Service) -> httpx2.AsyncClient:
    """A client of a server that has no socket."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(make_app(service)), base_url=BASE)


@pytest.fixture
def service(edge: EdgeLLM) -> Service:
    return open_service(edge, ServeOptions(), is_open=True)


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(service) as made:
        yield made
