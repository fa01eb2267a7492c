"""The table of rights: every route has a row, and every row holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.access import Right
from edgellm.server.app import routes
from edgellm.server.rights import ROWS, methods_of, route_of
from edgellm.server.service import ServeOptions, Service, open_service
from edgellm.settings import Settings
from edgellm.store.keys import Role
from tests.unit.server.conftest import client_of

ROLES: tuple[Role, ...] = ("admin", "user", "viewer")
Secrets = dict[Role, str]


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Secrets]]:
    """A server that asks for keys, and one of each role."""
    home = tmp_path_factory.mktemp("keyed")
    with EdgeLLM("fake:", home=home, settings=Settings(context_tokens=1024)) as edge:
        secrets = {role: edge.keys.create(role, role=role).secret for role in ROLES}
        yield open_service(edge, ServeOptions(), is_open=False), secrets


@pytest.fixture
async def client(keyed: tuple[Service, Secrets]) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(keyed[0]) as made:
        yield made


@pytest.fixture
def secrets(keyed: tuple[Service, Secrets]) -> Secrets:
    return keyed[1]


def declared(service: Service) -> set[tuple[str, str]]:
    """Method and path of every route of the application."""
    found = set()
    for context in iter_route_contexts(routes(service).routes):
        for method in context.methods or ():
            found.add((method, str(context.path)))
    return found


def test_every_route_has_a_row_and_every_row_a_route(keyed: tuple[Service, Secrets]) -> None:
    rows = {(row.method, row.path) for row in ROWS}
    known = {pair for pair in declared(keyed[0]) if pair != ("HEAD", "/openapi.json")}
    assert known == rows


def filled(path: str) -> str:
    return path.replace("{id:path}", "fake:")


async def call(
    client: httpx2.AsyncClient, method: str, path: str, headers: dict[str, str] | None = None
) -> httpx2.Response:
    """A request with a body that says nothing."""
    if method in ("GET", "HEAD"):
        return await client.request(method, filled(path), headers=headers)
    return await client.request(method, filled(path), headers=headers, json={})


ROUTES = [(row.method, row.path) for row in ROWS]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_without_a_key(client: httpx2.AsyncClient, method: str, path: str) -> None:
    row = next(row for row in ROWS if (row.method, row.path) == (method, path))
    answer = await call(client, method, path)
    if row.stranger is Right.NONE:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].split(", ")[0] == "Bearer"
    else:
        assert answer.status_code == 200


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_with_a_wrong_key(client: httpx2.AsyncClient, method: str, path: str) -> None:
    for headers in ({"authorization": "Bearer edge-" + "A" * 32}, {"x-api-key": "nonsense"}):
        assert (await call(client, method, path, headers)).status_code == 401


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_each_role(client: httpx2.AsyncClient, secrets: Secrets, method: str, path: str, role: Role) -> None:
    row = next(row for row in ROWS if (row.method, row.path) == (method, path))
    for headers in ({"authorization": f"Bearer {secrets[role]}"}, {"x-api-key": secrets[role]}):
        answer = await call(client, method, path, headers)
        assert (answer.status_code == 403) == (row.right(role) is Right.NONE)
        assert answer.status_code not in (401, 405)
        assert "no route" not in answer.text  # an object that does not exist is another 404


@pytest.mark.parametrize("role", ROLES)
async def test_every_key_is_told_what_is_not_offered(client: httpx2.AsyncClient, secrets: Secrets, role: Role) -> None:
    for path in ("/api/create", "/api/copy", "/api/push"):
        answer = await client.post(path, json={}, headers={"x-api-key": secrets[role]})
        assert answer.status_code == 501


async def test_unknown_paths_ask_for_a_key_first(client: httpx2.AsyncClient, secrets: Secrets) -> None:
    assert (await client.get("/nowhere")).status_code == 401
    assert (await client.delete("/v1/models")).status_code == 401
    headers = {"x-api-key": secrets["viewer"]}
    assert (await client.get("/nowhere", headers=headers)).status_code == 404
    assert (await client.delete("/v1/models", headers=headers)).status_code == 405


@pytest.mark.parametrize("name", ["key", "api_key", "api-key", "token", "access_token", "authorization"])
async def test_a_key_in_the_address_is_not_looked_at(client: httpx2.AsyncClient, secrets: Secrets, name: str) -> None:
    assert (await client.get("/v1/models", params={name: secrets["admin"]})).status_code == 401


async def test_odd_forms_are_refused(client: httpx2.AsyncClient, secrets: Secrets) -> None:
    secret, other = secrets["admin"], secrets["user"]
    odd: list[list[tuple[str, str]]] = [
        [("authorization", secret)],
        [("authorization", f"Basic {secret}")],
        [("authorization", "Bearer ")],
        [("authorization", f"Bearer {secret} {other}")],
        [("authorization", f"Bearer {secret}"), ("authorization", f"Bearer {secret}")],
        [("authorization", f"Bearer {secret}"), ("x-api-key", other)],
        [("x-api-key", "")],
        [("x-api-key", "x" * 10_000)],
        [("cookie", f"authorization=Bearer {secret}")],
    ]
    for headers in odd:
        assert (await client.get("/v1/models", headers=headers)).status_code == 401, headers


async def test_both_headers_with_one_key(client: httpx2.AsyncClient, secrets: Secrets) -> None:
    secret = secrets["user"]
    headers = {"authorization": f"bearer {secret}", "x-api-key": secret}
    assert (await client.get("/v1/models", headers=headers)).status_code == 200


async def test_an_open_server_takes_any_key(edge: EdgeLLM) -> None:
    """OpenAI's clients cannot be made without one."""
    async with client_of(open_service(edge, ServeOptions(), is_open=True)) as client:
        assert (await client.get("/v1/models", headers={"authorization": "Bearer none"})).status_code == 200


def test_paths() -> None:
    assert route_of("GET", "/v1/models/openai/gpt-4o") == "/v1/models/{id:path}"
    assert route_of("GET", "/v1/models/") is None
    assert route_of("POST", "/v1/models") is None
    assert methods_of("/") == ("GET", "HEAD")
    assert methods_of("/nowhere") == ()
