"""Two hundred requests at a line for sixteen: each is answered or turned away at once, and the server goes on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from statistics import median

import httpx2

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.service import ServeOptions
from edgellm.settings import Settings
from tests.unit.server.serving import Served, served

MODEL = "fake:decode_row_s=0.02"
CHAT = "/v1/chat/completions"
CROWD, RUNNING, WAITING = 200, 2, 16


async def crowd(server: Served) -> list[tuple[httpx2.Response, float]]:
    """Everyone's answer, with the seconds it took."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10}

    async def ask(client: httpx2.AsyncClient) -> tuple[httpx2.Response, float]:
        began = time.monotonic()
        answer = await client.post(CHAT, json={**body, "logit_bias": {"257": -100}})
        return answer, time.monotonic() - began

    limits = httpx2.Limits(max_connections=CROWD)
    async with httpx2.AsyncClient(base_url=server.url, limits=limits, timeout=60) as client:
        return await asyncio.gather(*(ask(client) for _ in range(CROWD)))


async def test_a_crowd_at_a_short_line(tmp_path: Path) -> None:
    with EdgeLLM(MODEL, home=tmp_path, settings=Settings(context_tokens=1024)) as edge:
        edge.models.load(MODEL)
        with served(edge, ServeOptions(running=RUNNING, waiting=WAITING)) as server:
            found = await crowd(server)
            statuses = Counter(answer.status_code for answer, _ in found)
            assert set(statuses) == {200, 503}
            assert statuses[200] >= RUNNING + WAITING
            waited = {status: [s for answer, s in found if answer.status_code == status] for status in statuses}
            assert median(waited[503]) < max(waited[200])  # who is turned away does not wait for who is answered
            for answer, _ in found:
                if answer.status_code == 503:
                    assert int(answer.headers["retry-after"]) >= 1
                    assert answer.json()["error"]["code"] == "queue_full"
            line = server.service.line
            assert (line.running, line.waiting) == (0, 0)
            assert httpx2.get(f"{server.url}/health", timeout=10).status_code == 200
