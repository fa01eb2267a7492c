"""GET /admin/status: the requests that are open, and who may see them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.live import LiveFigures
from edgellm.server.keyring import Keyring
from edgellm.server.service import ServeOptions, Service, open_service
from edgellm.settings import Settings
from tests.unit.server.conftest import client_of

MODEL = "fake:decode_row_s=0.02"
CHAT = "/v1/chat/completions"


def body(tokens: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Go on."}]
    return {"model": MODEL, "messages": messages, "max_tokens": tokens, "logit_bias": {"257": -100}}


async def figures(client: httpx2.AsyncClient) -> LiveFigures:
    answer = await client.get("/admin/status")
    assert answer.status_code == 200
    return msgspec.json.decode(answer.content, type=LiveFigures)


async def test_open_requests_are_seen_until_they_end(tmp_path: Path) -> None:
    with EdgeLLM(MODEL, home=tmp_path, settings=Settings(context_tokens=1024)) as edge:
        service = open_service(edge, ServeOptions(running=1, waiting=4), is_open=True)
        async with client_of(service) as client, asyncio.timeout(30):
            await see_two_requests(service, client)


async def see_two_requests(service: Service, client: httpx2.AsyncClient) -> None:
    """One is written, one waits."""
    tasks = []
    for tokens in (80, 1):
        tasks.append(asyncio.create_task(client.post(CHAT, json=body(tokens), timeout=30)))
        while len(service.accounts) < len(tasks):
            await asyncio.sleep(0.01)
    while (found := await figures(client)).requests[0].tokens < 3:
        await asyncio.sleep(0.02)
    first, second = found.requests
    assert (first.stage, first.tenant, first.model) == ("writing", "local", MODEL)
    assert first.tokens_per_s > 0
    assert (second.stage, second.tokens, second.tokens_per_s) == ("waiting", 0, 0.0)
    assert (found.running, found.most_running, found.waiting, found.most_waiting) == (1, 1, 1, 4)
    assert found.engines[MODEL].running == 1
    assert {answer.status_code for answer in await asyncio.gather(*tasks)} == {200}
    assert (await figures(client)).requests == ()


@pytest.mark.parametrize("token", ["boss", "boss "])
async def test_the_starters_token_counts_beside_the_keys(own_edge: EdgeLLM, token: str) -> None:
    user = own_edge.keys.create("Ana").secret
    service = open_service(own_edge, ServeOptions(), is_open=True, admin_token="boss")
    async with client_of(service) as client:
        assert (await client.get("/admin/status")).status_code == 401
        assert (await client.get("/admin/status", headers={"x-api-key": user})).status_code == 403
        assert (await client.get("/admin/status", headers={"x-api-key": "bos"})).status_code == 401
        assert (await client.get("/v1/models", headers={"x-api-key": user})).status_code == 200
        assert (await client.get("/admin/status", headers={"authorization": f"Bearer {token}"})).status_code == 200


def test_without_a_token_nothing_empty_is_one(own_edge: EdgeLLM) -> None:
    keyring = Keyring(own_edge.keys, is_open=False)
    assert keyring.find("") is None
    assert keyring.find("boss") is None
