"""The application around its routes: defects, headers, the log."""

from __future__ import annotations

import json

import httpx2
import pytest

from edgellm.server.generation import Generation
from edgellm.server.service import Service
from tests.unit.server.published import page


async def test_a_defect_is_one_line_in_the_log_and_nothing_in_the_answer(
    client: httpx2.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret\r\n\x1b[2J")

    monkeypatch.setattr(service.names, "seen_by", broken)
    answer = await client.get("/v1/models")
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "The server could not do this. Its log says why."
    text = service.log.path.read_text()
    event = json.loads(text.splitlines()[-1])
    assert (event["route"], event["error"]) == ("/v1/models", "RuntimeError")
    assert text.isascii()
    assert not set(text) & {"\r", "\x1b"}
    assert service.log.path.stat().st_mode & 0o77 == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_defect_in_an_answer(
    client: httpx2.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Generation, "_stream", broken)
    body = {"model": "fake:", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    answer = await client.post("/v1/chat/completions", json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
    assert service.line.running == 0


async def test_headers_of_every_answer(client: httpx2.AsyncClient) -> None:
    for path in ("/health", "/v1/models", "/nowhere"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


async def test_a_log_that_cannot_be_written_stops_nothing(client: httpx2.AsyncClient, service: Service) -> None:
    service.log.path = service.log.path / "no" / "such"
    service.log.error("/x", ValueError("x"))
    assert (await client.get("/health")).status_code == 200


async def test_what_is_not_offered_is_no_fault_of_the_server(client: httpx2.AsyncClient, service: Service) -> None:
    service.log.path = service.log.path.with_name("another.log")
    assert (await client.post("/api/create", json={})).status_code == 501
    assert not service.log.path.exists()


@pytest.mark.parametrize(
    ("method", "path", "kinds"),
    [
        ("get", "/", {"text/plain"}),
        ("get", "/metrics", {"text/plain"}),
        ("get", "/admin", {"text/html"}),
        ("get", "/v1/files/{id}/content", {"application/octet-stream"}),
        ("post", "/v1/chat/completions", {"application/json", "text/event-stream"}),
        ("post", "/v1/completions", {"application/json", "text/event-stream"}),
        ("post", "/v1/responses", {"application/json", "text/event-stream"}),
        ("post", "/v1/messages", {"application/json", "text/event-stream"}),
        ("post", "/v1/documents/{collection}/ask", {"application/json", "text/event-stream"}),
        ("post", "/api/chat", {"application/json", "application/x-ndjson"}),
        ("post", "/api/generate", {"application/json", "application/x-ndjson"}),
        ("post", "/v1/embeddings", {"application/json"}),
    ],
)
def test_the_page_says_what_kind_of_answer_comes(method: str, path: str, kinds: set[str]) -> None:
    assert set(page()["paths"][path][method]["responses"]["200"]["content"]) == kinds
