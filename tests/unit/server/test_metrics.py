"""What /metrics counts of answers: failures by reason, ratings, evidence."""

from __future__ import annotations

from typing import Any

import httpx2

from edgellm.server.metrics import Counters, exposition
from edgellm.server.service import Service
from edgellm.types import Evidence

CHAT = "/v1/chat/completions"


def asked(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    return {"model": "fake:", "messages": [{"role": "user", "content": text}], "max_tokens": 4, **fields}


async def test_answers_failures_and_ratings(client: httpx2.AsyncClient) -> None:
    name = (await client.post(CHAT, json=asked())).json()["id"]
    for said in ({"rating": "down", "correction": "Better."}, {"rating": "up"}):
        assert (await client.post("/v1/feedback", json={"response_id": name, **said})).status_code == 200
    assert (await client.post(CHAT, json=asked("word " * 5000))).status_code == 400
    assert (await client.post("/v1/feedback", json={"response_id": "chatcmpl-0", "rating": "up"})).status_code == 404
    text = (await client.get("/metrics")).text
    for line in (
        "edgellm_answers_total 1",
        'edgellm_failures_total{reason="ContextOverflow"} 1',
        'edgellm_ratings_total{rating="correction"} 1',
        'edgellm_ratings_total{rating="down"} 1',
        'edgellm_ratings_total{rating="up"} 1',
        "edgellm_answers_from_documents_total 0",
        "edgellm_weak_evidence_total 0",
    ):
        assert f"{line}\n" in text, line


async def test_requests_that_are_turned_away_are_failures_by_reason(
    client: httpx2.AsyncClient, service: Service
) -> None:
    service.drain.begin()
    assert (await client.post(CHAT, json=asked())).status_code == 503
    assert service.counters.failures == {"ServerStopping": 1}


def test_answers_from_documents(service: Service) -> None:
    counters = Counters()
    for evidence in (None, Evidence(collection="ferry"), Evidence(collection="ferry", is_weak=True)):
        counters.answered(evidence)
    assert (counters.answers, counters.from_documents, counters.weak_evidence) == (3, 2, 1)
    assert "edgellm_failures_total counter" in exposition(service, {})
