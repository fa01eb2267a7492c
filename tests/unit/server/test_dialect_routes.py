"""Each dialect's routes through the whole application, from the fake model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.service import ServeOptions, open_service
from tests.unit.server.conftest import client_of

USER = [{"role": "user", "content": "Hello"}]
MESSAGES = {"model": "fake:", "messages": USER, "max_tokens": 8}


def named(text: str) -> list[tuple[str, Any]]:
    """Server-sent events with their names."""
    found = []
    for part in text.strip().split("\n\n"):
        event, data = part.split("\n")
        found.append((event.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def test_anthropic(client: httpx2.AsyncClient) -> None:
    whole = (await client.post("/v1/messages", json=MESSAGES)).json()
    assert whole["id"].startswith("msg_")
    assert (whole["type"], whole["model"]) == ("message", "fake:")
    stream = await client.post("/v1/messages", json={**MESSAGES, "stream": True}, headers={"x-api-key": "none"})
    events = named(stream.text)
    assert (events[0][0], events[-1][0]) == ("message_start", "message_stop")
    counted = (await client.post("/v1/messages/count_tokens", json={"model": "fake:", "messages": USER})).json()
    assert counted["input_tokens"] == whole["usage"]["input_tokens"] + whole["usage"]["cache_read_input_tokens"]


async def test_anthropic_names_the_stop_string_and_openai_does_not(tmp_path: Path) -> None:
    model = "fake:says=one%20two%20three"
    with EdgeLLM(model, home=tmp_path) as edge:
        async with client_of(open_service(edge, ServeOptions(), is_open=True)) as client:
            asked = {"model": model, "messages": USER, "max_tokens": 40}
            stopped = {**asked, "stop_sequences": ["zz", "two"]}
            whole = (await client.post("/v1/messages", json=stopped)).json()
            assert whole["content"] == [{"type": "text", "text": "one "}]
            assert (whole["stop_reason"], whole["stop_sequence"]) == ("stop_sequence", "two")
            events = named((await client.post("/v1/messages", json={**stopped, "stream": True})).text)
            assert events[-2][1]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "two"}
            unstopped = (await client.post("/v1/messages", json=asked)).json()
            assert (unstopped["stop_reason"], unstopped["stop_sequence"]) == ("end_turn", None)
            openai = (await client.post("/v1/chat/completions", json={**asked, "stop": "two"})).json()["choices"][0]
            assert openai.keys() == {"index", "message", "finish_reason", "logprobs"}
            assert (openai["message"]["content"], openai["finish_reason"]) == ("one ", "stop")


async def test_responses(client: httpx2.AsyncClient) -> None:
    body = {"model": "fake:", "input": "Hello", "max_output_tokens": 8}
    whole = (await client.post("/v1/responses", json=body)).json()
    assert whole["id"].startswith("resp_")
    assert whole["object"] == "response"
    events = named((await client.post("/v1/responses", json={**body, "stream": True})).text)
    assert events[0][0] == "response.created"


@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/chat", {"messages": USER}), ("/api/generate", {"prompt": "Hello"})],
    ids=["chat", "generate"],
)
async def test_ollama(client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> None:
    asked = {"model": "fake:", "options": {"num_predict": 8}, **body}
    whole = (await client.post(path, json={**asked, "stream": False})).json()
    assert (whole["model"], whole["done"]) == ("fake:", True)
    stream = await client.post(path, json=asked)
    assert stream.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in stream.text.splitlines()]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    loaded = (await client.post(path, json={"model": "fake:"})).json()
    assert loaded["done_reason"] == "load"


FAR = {"type": "object", "properties": {"a": {"$ref": "http://elsewhere/a.json"}}}


@pytest.mark.parametrize(
    ("path", "more", "field"),
    [
        (
            "/v1/chat/completions",
            {"messages": USER, "response_format": {"type": "json_schema", "json_schema": {"schema": FAR}}},
            "response_format.json_schema.schema",
        ),
        (
            "/v1/responses",
            {"input": "x", "text": {"format": {"type": "json_schema", "name": "x", "schema": FAR}}},
            "text.format.schema",
        ),
        (
            "/v1/messages",
            {"messages": USER, "max_tokens": 8, "output_config": {"format": {"type": "json_schema", "schema": FAR}}},
            "output_config.format.schema",
        ),
        ("/api/chat", {"messages": USER, "format": FAR}, "format"),
        ("/api/generate", {"prompt": "x", "format": FAR}, "format"),
    ],
)
async def test_a_schema_that_cannot_be_enforced_is_refused_by_its_clients_name(
    client: httpx2.AsyncClient, path: str, more: dict[str, Any], field: str
) -> None:
    answer = await client.post(path, json={"model": "fake:", **more})
    assert answer.status_code == 400
    error = answer.json()["error"]
    message = error if isinstance(error, str) else error["message"]
    assert message.startswith(f"{field}: At /properties/a: ")
    if path in ("/v1/chat/completions", "/v1/responses"):
        assert (error["param"], error["code"]) == (field, "invalid_schema")


async def test_a_schema_without_wishes_still_asks_for_json(client: httpx2.AsyncClient) -> None:
    body = {"model": "fake:", "messages": USER, "stream": False, "format": {}}
    answer = await client.post("/api/chat", json=body)
    assert answer.status_code == 400  # the fake knows no such schema; taken for none, it would be answered
    assert answer.json()["error"].startswith("format: ")


async def test_what_ollama_has_besides(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/")).text == "Ollama is running"
    assert (await client.head("/")).status_code == 200
    assert (await client.get("/api/version")).json()["version"]
    for path in ("/api/create", "/api/copy", "/api/push"):
        answer = await client.post(path, json={})
        assert answer.status_code == 501
        assert isinstance(answer.json()["error"], str)
    assert (await client.post("/api/show", json={"model": "gone"})).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", {**MESSAGES, "model": "gone"}),
        ("/v1/responses", {"model": "gone", "input": "x"}),
        ("/api/chat", {"model": "gone", "messages": USER}),
        ("/api/generate", {"model": "gone", "prompt": "x"}),
        ("/api/embed", {"model": "gone", "input": "x"}),
    ],
)
async def test_a_model_that_is_not_there(client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> None:
    answer = await client.post(path, json=body)
    assert answer.status_code == 404
    assert "'gone'" in str(answer.json()["error"])
