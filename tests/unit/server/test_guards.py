"""Host, Origin, content type, lengths: what is turned away before any route."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import httpx2
import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.service import ServeOptions, open_service
from tests.unit.server.conftest import client_of

CHAT = "/v1/chat/completions"
GOOD_HOSTS = ["127.0.0.1", "127.0.0.1:8000", "127.0.0.1:1", "localhost", "LOCALHOST:8000", "[::1]", "[::1]:8000"]
BAD_HOSTS = [
    "evil.test",
    "127.0.0.1.evil.test",
    "localhost.evil.test",
    "localhost.",
    "",
    "127.0.0.1:8000:9",
    "127.0.0.1:",
    "127.0.0.1:999999",
    "user@127.0.0.1",
    "127.0.0.1/x",
    "127.0.0.1 ",
    "0.0.0.0",
    "127.1",
    "2130706433",
    "[::1",
    "::1",
    "127.0.0.1,evil.test",
    "192.168.1.7",
]


@pytest.mark.parametrize("host", GOOD_HOSTS)
async def test_names_of_this_machine(client: httpx2.AsyncClient, host: str) -> None:
    assert (await client.get("/health", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/nowhere", CHAT])
@pytest.mark.parametrize("host", BAD_HOSTS)
async def test_other_names_are_refused(client: httpx2.AsyncClient, host: str, path: str) -> None:
    answer = await client.get(path, headers={"host": host})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "host_refused"


async def test_two_hosts_are_refused(client: httpx2.AsyncClient) -> None:
    headers = [("host", "127.0.0.1"), ("host", "127.0.0.1")]
    assert (await client.get("/health", headers=headers)).status_code == 403


async def test_a_host_can_be_allowed(edge: EdgeLLM) -> None:
    options = ServeOptions(host="0.0.0.0", allow_hosts=("llm.office.test:8000",))
    async with client_of(open_service(edge, options, is_open=True)) as client:
        assert (await client.get("/health", headers={"host": "LLM.office.test"})).status_code == 200
        assert (await client.get("/health", headers={"host": "office.test"})).status_code == 403
        assert (await client.get("/health", headers={"host": "0.0.0.0"})).status_code == 403


async def test_the_address_that_a_request_came_in_on_is_a_name(edge: EdgeLLM) -> None:
    options = ServeOptions(host="0.0.0.0")
    async with client_of(open_service(edge, options, is_open=True)) as client:
        assert (await client.get("http://192.168.1.7:8000/health")).status_code == 200
        assert (await client.get("http://evil.test:8000/health")).status_code == 403


FOREIGN = [
    {"origin": "https://evil.test"},
    {"origin": "null"},
    {"origin": "http://localhost:3000"},
    {"origin": "http://127.0.0.1:8001"},
    {"origin": "http://127.0.0.1:8000.evil.test"},
    {"origin": "file://"},
    {"origin": ""},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "cross-site"},
]


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT", "DELETE", "HEAD"])
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_pages_of_other_sites_are_refused(
    client: httpx2.AsyncClient, headers: dict[str, str], method: str
) -> None:
    for path in ("/health", CHAT, "/nowhere"):
        answer = await client.request(method, path, headers=headers)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
    ids=str,
)
async def test_programs_and_own_pages_pass(client: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.get("/health", headers=headers)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_an_origin_can_be_allowed(edge: EdgeLLM) -> None:
    options = ServeOptions(allow_origins=("https://chat.office.test",))
    async with client_of(open_service(edge, options, is_open=True)) as client:
        headers = {"origin": "https://chat.office.test", "sec-fetch-site": "cross-site"}
        assert (await client.get("/health", headers=headers)).status_code == 200
        assert (await client.get("/health", headers={"origin": "http://chat.office.test"})).status_code == 403


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/ld+json",
        "",
        None,
    ],
)
async def test_a_body_is_json(client: httpx2.AsyncClient, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    answer = await client.post(CHAT, content=b'{"model": "fake:"}', headers=headers)
    assert answer.status_code == 415


async def test_json_with_a_character_set_passes(client: httpx2.AsyncClient) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    answer = await client.post(CHAT, content=b'{"model": "fake:"}', headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "messages")


async def test_a_compressed_body_is_refused(client: httpx2.AsyncClient) -> None:
    bomb = gzip.compress(b" " * 2**24)
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert (await client.post(CHAT, content=bomb, headers=headers)).status_code == 415


async def test_a_body_that_is_too_long(client: httpx2.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    answer = await client.post(CHAT, content=b" " * (8 * 2**20 + 1), headers=headers)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")


async def test_a_body_that_is_too_long_is_taken_before_the_connection_closes(client: httpx2.AsyncClient) -> None:
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(9):
            taken += 1
            yield b" " * 2**20

    headers = {"content-type": "application/json", "content-length": str(9 * 2**20)}
    answer = await client.post(CHAT, content=body(), headers=headers)
    assert (answer.status_code, taken) == (413, 9)


async def test_a_body_that_is_far_too_long_is_not_taken(client: httpx2.AsyncClient) -> None:
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield b" " * 2**20

    headers = {"content-type": "application/json", "content-length": str(100 * 2**20)}
    assert (await client.post(CHAT, content=body(), headers=headers)).status_code == 413
    assert taken <= 1


async def test_a_body_that_is_too_long_and_does_not_say_so(client: httpx2.AsyncClient) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(64):
            taken += 1
            yield b" " * 2**20

    headers = {"content-type": "application/json"}
    answer = await client.post(CHAT, content=endless(), headers=headers)
    assert answer.status_code == 413
    assert taken <= 10


@pytest.mark.parametrize("length", ["-1", "1e3", "x", "9" * 40])
async def test_an_odd_length(client: httpx2.AsyncClient, length: str) -> None:
    headers = {"content-type": "application/json", "content-length": length}
    answer = await client.post(CHAT, content=b"{}", headers=headers)
    assert answer.status_code in (400, 413)


async def test_many_headers(client: httpx2.AsyncClient) -> None:
    many = {f"x-{number}": "y" for number in range(200)}
    assert (await client.get("/health", headers=many)).status_code == 431
    assert (await client.get("/health", headers={"x-long": "y" * 40_000})).status_code == 431
    assert (await client.get("/health?" + "q" * 40_000)).status_code == 431


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/nowhere", "/v1", "/v1/chat/completions/", "/docs", "/redoc", "/admin.php"])
async def test_unknown_routes_answer_in_json(client: httpx2.AsyncClient, path: str, method: str) -> None:
    answer = await client.request(method, path)
    if (method, path) == ("GET", "/"):
        return  # Ollama's clients look for it
    assert answer.status_code in (404, 405)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["message"]


async def test_a_wrong_method_says_which_there_are(client: httpx2.AsyncClient) -> None:
    answer = await client.get(CHAT)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/v1/messages", "/api/chat"])
async def test_refusals_have_the_shape_of_their_dialect(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.post(path, json={})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error" if path == "/v1/messages" else isinstance(error, str)
